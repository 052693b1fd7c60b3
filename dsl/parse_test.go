package dsl

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators/spec"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.yaml")
	if _, err := Load(path, testCatalog()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte("pipeline: ads\nsources: {c: {ticks: 1}}\nsinks: {o: {from: c, stdout: }}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g, err := Load(path, testCatalog())
	if err != nil {
		t.Fatal(err)
	}
	if g.Path != path || g.Name != "ads" || !g.Bounded() || len(g.Nodes) != 2 {
		t.Errorf("the graph is %+v", g)
	}
}

// A file may be large, deep or full of aliases, and is refused before it takes
// much memory.
func TestLimits(t *testing.T) {
	for name, c := range map[string]struct{ text, rule string }{
		"too large":            {"pipeline: ads\ndescription: " + strings.Repeat("x", maxFileBytes), "too-large"},
		"too large by aliases": {"a: &a [" + strings.Repeat("1,", 1000) + "]\nb: [" + strings.Repeat("*a,", 1000) + "]\n", "too-many-values"},
		"too deep":             {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "too-deep"},
		"too many values":      {"a: [" + strings.Repeat("1,", maxValues) + "]", "too-many-values"},
		"by its environment":   {"pipeline: ads\ndescription: '" + strings.Repeat("${BIG}", 100) + "'\n", "too-large"},
		"a key of no use":      {strings.Repeat("x", 900_000) + ": y\n", "yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			catalog := testCatalog()
			big := strings.Repeat("y", 64<<10)
			catalog.Getenv = func(string) (string, bool) { return big, true }
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Parse("big.yaml", []byte(c.text), catalog)
			runtime.ReadMemStats(&after)
			var faults spec.Errors
			if !errors.As(err, &faults) || !slices.ContainsFunc(faults, func(e *spec.Error) bool { return e.Rule == c.rule }) {
				t.Fatalf("refused with %.200v, not %s", err, c.rule)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 400<<20 {
				t.Errorf("reading it allocated %d MiB", took>>20)
			}
		})
	}
}

// A tree of nodes that read each other in a long chain is sorted without harm.
func TestLongChain(t *testing.T) {
	var b strings.Builder
	b.WriteString("pipeline: ads\nsources: {n0: {ticks: 1}}\noperators:\n")
	const length = 3000
	for i := length; i > 0; i-- {
		b.WriteString("  n" + strconv.Itoa(i) + ": {from: n" + strconv.Itoa(i-1) + ", filter: n > 1}\n")
	}
	b.WriteString("sinks: {o: {from: n" + strconv.Itoa(length) + ", stdout: }}\n")
	g := parseGood(t, b.String())
	if got := g.Nodes[length].Name; got != "n"+strconv.Itoa(length) {
		t.Errorf("the last operator is %s", got)
	}
}

// Secrets are used, and neither shown in messages nor by explain.
func TestSecrets(t *testing.T) {
	g := parseGood(t, "pipeline: ads\nsources: {c: {topic: {name: t, password: 4711}, schema: {n: int64}}}\nsinks: {o: {from: c, stdout: }}\n")
	v := g.node(t, Source, "c").Config.Get("password")
	if v.Int != 4711 || !v.Secret {
		t.Errorf("the secret is %+v", v)
	}
	for _, format := range []Format{Text, JSON, Mermaid} {
		var out strings.Builder
		if err := Explain(&out, g, format); err != nil || strings.Contains(out.String(), "4711") {
			t.Errorf("explain as %s shows a secret (%v)", format, err)
		}
	}
}
