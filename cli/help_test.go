package cli

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// "millrace topic lst -b HOST" was told about the flag -b, which is right wherever a
// topic's command is, and "millrace topc list" ended with status 1, as if it had been
// tried.
func TestMisspeltCommandsAreWhatIsComplainedOf(t *testing.T) {
	for args, want := range map[string]string{
		"topc list":                 `there is no command "topc"; did you mean topic?`,
		"topc list -b x --nonsense": `did you mean topic?`,
		"frobnicate":                `there is no command "frobnicate" (millrace --help lists`,
		"topic lst -b x":            `millrace topic has no command "lst"`,
		"topic lst -o json":         "did you mean list?",
		"topic":                     "needs one of create, list",
		"topic list --brokerz x":    "unknown flag: --brokerz",
	} {
		millrace(t, "", strings.Fields(args)...).want(t, 2, want)
	}
	millrace(t, "", "topic", "--help").want(t, 0, "add-partitions")
}

// The help of millrace server had lines of 289 columns.
func TestHelpFitsATerminal(t *testing.T) {
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		help := millrace(t, "", append(path, "--help")...)
		help.want(t, 0)
		for line := range strings.Lines(help.stdout) {
			// Some things are long and cannot be folded: a line of usage, an example to copy.
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 && strings.HasPrefix(line, "    ") || n > 100 {
				t.Errorf("%s --help: %d columns: %s", strings.Join(path, " "), n, line)
			}
		}
		for _, child := range c.Commands() {
			if child.Name() != "completion" && child.Name() != "help" {
				walk(child, append(path[:len(path):len(path)], child.Name()))
			}
		}
	}
	walk((&app{}).root(), nil)
}

// Lines of "millrace list" had four hundred columns, and the rows of a table ended in
// blanks where its last columns were empty.
func TestTablesAreNoWiderThanTheyMust(t *testing.T) {
	rows := [][]string{{"NAME", "WHAT"}, {"a", "one two three four five six"}, {"bcd", ""}}
	if got, want := foldLast(rows, 30), [][]string{{"NAME", "WHAT"}, {"a", "one two three four five"}, {"", "six"}, {"bcd", ""}}; !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := foldLast(rows, 0); len(got) != len(rows) {
		t.Errorf("folded for no terminal: %q", got)
	}
	var b strings.Builder
	if err := printTable(&b, [][]string{{"A", "B", "C"}, {"x", "1", ""}, {"", "", ""}}); err != nil || b.String() != "A  B  C\nx  1\n\n" {
		t.Errorf("%q %v", b.String(), err)
	}
}

// Rows with names in Chinese, Japanese or Korean stood two columns off for each
// two characters.
func TestTablesAlignWideCharacters(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "日本": 4, "жан": 3, "e\u0301": 1, "한국": 4, "😀": 2, "é": 1} {
		if got := drawn(s); got != want {
			t.Errorf("%q takes %d columns, want %d", s, got, want)
		}
	}
	var b strings.Builder
	if err := printTable(&b, [][]string{{"USER", "X"}, {"日本語", "a"}, {"anna", "b"}}); err != nil || b.String() != "USER    X\n日本語  a\nanna    b\n" {
		t.Errorf("%q %v", b.String(), err)
	}
}

// Raising the level of a cluster to one that its node did not know was answered with
// "The given update version was invalid", and one that it could with "1 is can be".
func TestFinalizeSaysWhichLevelsThereAre(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	millrace(t, "", "cluster", "finalize", "9", "-b", addr).want(t, 1, "the latest is 1", "(INVALID_UPDATE_VERSION)")
	millrace(t, "", "cluster", "finalize", "1", "--dry-run", "-b", addr).want(t, 0, "millrace.version 1 can be finalized\n")
	millrace(t, "", "--version").want(t, 0, "millrace ")
	millrace(t, "", "topic", "list", "x").want(t, 2, `takes no argument, not "x"`)
}

// The name of a group came back in an error as it was, and it was one that turns
// terminals red.
func TestErrorsAreNoCommandsToATerminal(t *testing.T) {
	got := millrace(t, "", "topic", "\x1b[31mred")
	got.want(t, 2, "\\x1b[31mred")
	if strings.Contains(got.stderr, "\x1b") {
		t.Errorf("%q", got.stderr)
	}
}

// A pipeline over brokers was told to have its data in a directory that a node would
// serve, and there was no log in it; and one whose source had a misspelt topic ran,
// made that topic, and said nothing.
func TestRunOverBrokersSaysWhatItHas(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	pipeline := file(t, "p.yaml", `
pipeline: p
sources:
  s: {topic: misspelt, format: json, schema: {x: int64}}
sinks:
  o: {from: s, topic: out}
`)
	b := start(t, "run", pipeline, "--brokers", addr)
	b.until(t, "source=s topic=misspelt")
	b.stop(t)
	said := b.stderr.String()
	for _, want := range []string{"was not there and has been created", "state in ", "state: "} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing of %q in:\n%s", want, said)
		}
	}
	if strings.Contains(said, "millrace server --data") {
		t.Error(said)
	}
}
