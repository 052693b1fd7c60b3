package log

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/log/internal/metrics"
)

const operationsPage = "../docs/operations.md"

// metricsTable is the table of all metrics, for docs/operations.md.
func metricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | labels | kind | what it is |\n|---|---|---|---|\n")
	all := slices.Clone(families)
	slices.SortStableFunc(all, func(x, y *metrics.Family) int { return strings.Compare(x.Name, y.Name) })
	for _, f := range all {
		labels := strings.Join(f.Labels, ", ")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, labels, f.Kind, f.Help)
	}
	return b.String()
}

// TestOperationsPage holds the table in docs/operations.md true to the collector.
func TestOperationsPage(t *testing.T) {
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), "<!-- metrics")
	head, rest, ok2 := strings.Cut(rest, "-->\n")
	_, after, ok3 := strings.Cut(rest, "<!-- end of metrics -->")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("%s has lost the marks around its table", operationsPage)
	}
	want := before + "<!-- metrics" + head + "-->\n" + metricsTable() + "<!-- end of metrics -->" + after
	if *updateMetrics {
		if err := os.WriteFile(operationsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(page) != want {
		t.Errorf("the table in %s is not current: go test ./log -run TestOperationsPage -update-metrics", operationsPage)
	}
}

// TestMetricsThatAreNamedExist looks for every metric that the page and the rules name.
func TestMetricsThatAreNamedExist(t *testing.T) {
	known := map[string]bool{"millrace_build_info": true} // of the command line
	for _, f := range families {
		known[f.Name] = true
	}
	name := regexp.MustCompile(`\b(?:millrace|kafka)_[a-z_]+[a-z]`)
	check := func(where, text string) {
		t.Helper()
		for _, n := range name.FindAllString(text, -1) {
			if n != "kafka_exporter" && !known[n] && !known[strings.TrimSuffix(n, "_bucket")] {
				t.Errorf("%s names %s, which there is not", where, n)
			}
		}
	}
	page, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	check(operationsPage, string(page))
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr string
				For         string
				Annotations map[string]string
			}
		}
	}
	read(t, "../docs/prometheus/alerts.yml", &rules)
	count := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			count++
			if r.Alert == "" || !name.MatchString(r.Expr) || r.Annotations["summary"] == "" {
				t.Errorf("rule %+v", r)
			}
			check("rule "+r.Alert, r.Expr)
		}
	}
	if count < 5 {
		t.Errorf("%d rules", count)
	}
	var config struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []any    `yaml:"scrape_configs"`
		Global        map[string]string
	}
	read(t, "../docs/prometheus/prometheus.yml", &config)
	if len(config.ScrapeConfigs) != 1 || !slices.Equal(config.RuleFiles, []string{"alerts.yml"}) {
		t.Errorf("%+v", config)
	}
}

// read decodes a YAML file strictly.
func read(t *testing.T, name string, into any) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
