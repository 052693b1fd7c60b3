package examples

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/cli"
)

// TestReadmeRuns runs README's first command as it stands there, in the directory
// where a reader would, and looks at what it promises: results while it runs, late
// rows, an end by itself.
func TestReadmeRuns(t *testing.T) {
	t.Chdir("..")
	commands := blocks(t, "README.md", "")[0]
	if !slices.Contains(commands, "go test ./...") {
		t.Errorf("README.md does not name the test command first: %q", commands)
	}
	const program = "go run ./cmd/millrace "
	at := slices.IndexFunc(commands, func(c string) bool { return strings.HasPrefix(c, program) })
	if at < 0 {
		t.Fatalf("README.md has no command that begins %q", program)
	}
	data := t.TempDir()
	args := append(strings.Fields(commands[at][len(program):]), "--listen", "none", "--data", data)
	printed, summary := millrace(t, args...)
	for _, text := range []string{"24 000 rows in", "late", "0 errors", "rows/s", data} {
		if !strings.Contains(summary, text) {
			t.Errorf("the summary does not say %q:\n%s", text, summary)
		}
	}
	columns, rows := tableRows(printed)
	if columns != "window_start,ad,clicks,spend" {
		t.Errorf("the table's columns are %s", columns)
	}
	read := topics(t, data, "ad-minutes", "ad-late")
	var inTopic []string
	clicks := 0.0
	for _, row := range read["ad-minutes"] {
		inTopic = append(inTopic, fmt.Sprintf("%v,%v,%v,%v", row["window_start"], row["ad"], row["clicks"], row["spend"]))
		clicks += row["clicks"].(float64)
	}
	slices.Sort(inTopic)
	if !slices.Equal(rows, inTopic) {
		t.Errorf("printed\n%s\nin the topic\n%s", strings.Join(rows, "\n"), strings.Join(inTopic, "\n"))
	}
	if late := len(read["ad-late"]); late == 0 || len(rows) != 55 {
		t.Errorf("%d results and %d late rows, want five ads in eleven minutes, and some late", len(rows), late)
	}
	// Every paid click is in a window or late, once.
	paid := regexp.MustCompile(`operator paid +24 000 +(\d+ \d+)`).FindStringSubmatch(summary)
	if want := fmt.Sprintf("%d", int(clicks)+len(read["ad-late"])); paid == nil || strings.ReplaceAll(paid[1], " ", "") != want {
		t.Errorf("%s clicks are counted or late, of %q", want, paid)
	}
}

// TestReadmePipelineIsValid lints the pipeline that README shows.
func TestReadmePipelineIsValid(t *testing.T) {
	for i, block := range blocks(t, "../README.md", "yaml") {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("block%d.yaml", i))
		if err := os.WriteFile(path, []byte(strings.Join(block, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		millrace(t, "lint", path)
	}
}

// TestReadmeCommandsExist asks every command that README lists for its help.
func TestReadmeCommandsExist(t *testing.T) {
	n := 0
	for _, block := range blocks(t, "../README.md", "") {
		for _, line := range block {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "millrace" {
				continue
			}
			for _, command := range strings.Split(words[1], "|") {
				if help, _ := millrace(t, command, "--help"); !strings.Contains(help, "millrace "+command) {
					t.Errorf("there is no command %s:\n%s", command, help)
				}
				n++
			}
		}
	}
	if n < 6 {
		t.Errorf("README.md lists %d commands", n)
	}
}

// blocks are a Markdown file's fenced blocks of a language, as lines without shell
// comments.
func blocks(t *testing.T, path, language string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	fence := regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	for _, b := range fence.FindAllStringSubmatch(string(text), -1) {
		if b[1] != language {
			continue
		}
		var lines []string
		for line := range strings.Lines(b[2]) {
			if language == "" {
				line, _, _ = strings.Cut(line, " # ")
			}
			lines = append(lines, strings.TrimRight(line, " \n"))
		}
		all = append(all, lines)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block of %q", path, language)
	}
	return all
}

// TestReadmeShowsARealMessage makes the mistake whose message README quotes.
func TestReadmeShowsARealMessage(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`ads\\.yaml(:[^`]*)`").FindStringSubmatch(string(text))
	if quoted == nil {
		t.Fatal("README.md quotes no message of ads.yaml")
	}
	pipeline := strings.Join(blocks(t, "../README.md", "yaml")[0], "\n")
	path := filepath.Join(t.TempDir(), "ads.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(pipeline, "filter: kind", "filter: knd", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, msg bytes.Buffer
	if status := cli.Run(t.Context(), []string{"lint", path}, strings.NewReader(""), &out, &msg); status != 2 {
		t.Errorf("lint ended with %d", status)
	}
	if want := path + strings.Join(strings.Fields(quoted[1]), " "); !strings.Contains(msg.String(), want) {
		t.Errorf("lint says\n%swant\n%s", msg.String(), want)
	}
}
