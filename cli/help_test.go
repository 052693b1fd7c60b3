package cli

import (
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
