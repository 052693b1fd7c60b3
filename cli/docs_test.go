package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite the generated pages")

// TestDocs: docs/cli.md is what the commands say of themselves.
func TestDocs(t *testing.T) {
	const file = "../docs/cli.md"
	var b bytes.Buffer
	b.WriteString("# The command line\n\n<!-- Generated from the commands: go test ./cli -run TestDocs -update -->\n\n" +
		"Exit status 0: the command did what it says. 1: it failed. 2: what it was given is wrong, and nothing was\n" +
		"done. Commands that print lists take `-o json`. `millrace completion bash` (or `zsh`, `fish`, `powershell`)\n" +
		"prints a script that completes commands, flags, topics, groups and settings.\n")
	root := (&app{}).root()
	root.SetContext(context.Background())
	b.WriteString("\n## Connecting\n\nEvery command that asks brokers has these flags.\n")
	connecting := &cobra.Command{}
	new(remote).flags(connecting)
	writeFlags(&b, connecting, nil)
	writeCommands(&b, root, connecting.Flags())
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is out of date: go test ./cli -run TestDocs -update", file)
	}
}

// writeCommands writes a section for each command that does something.
func writeCommands(b *bytes.Buffer, c *cobra.Command, connecting *pflag.FlagSet) {
	if c.Runnable() && !c.HasAvailableSubCommands() {
		about := c.Long
		if about == "" {
			about = c.Short + "."
		}
		fmt.Fprintf(b, "\n## %s\n\n```\n%s\n```\n\n%s\n", c.CommandPath(), c.UseLine(), asMarkdown(about))
		if c.Example != "" {
			fmt.Fprintf(b, "\n```\n%s\n```\n", strings.TrimRight(c.Example, "\n"))
		}
		writeFlags(b, c, connecting)
	}
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() && child.Name() != "completion" && child.Name() != "help" {
			writeCommands(b, child, connecting)
		}
	}
}

// asMarkdown fences the indented parts of a help text, which are tables.
func asMarkdown(text string) string {
	var out []string
	fenced := false
	for line := range strings.SplitSeq(text, "\n") {
		indented := strings.HasPrefix(line, "  ")
		if indented != fenced && (indented || line != "") {
			if fenced = indented; fenced && len(out) > 0 && out[len(out)-1] != "" {
				out = append(out, "")
			}
			out = append(out, "```")
			if !fenced {
				out = append(out, "")
			}
		}
		out = append(out, line)
	}
	if fenced {
		out = append(out, "```")
	}
	return strings.Join(out, "\n")
}

// writeFlags writes a table of a command's flags. Those that connect it to brokers
// are the same for all, and only named.
func writeFlags(b *bytes.Buffer, c *cobra.Command, connecting *pflag.FlagSet) {
	heading := "\n| Flag | Default | |\n|---|---|---|\n"
	asEverywhere := false
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if connecting != nil {
			if same := connecting.Lookup(f.Name); same != nil && same.Usage == f.Usage {
				asEverywhere = true
				return
			}
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name += ", `-" + f.Shorthand + "`"
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0" {
			value = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "%s| %s | %s | %s |\n", heading, name, value, strings.ReplaceAll(f.Usage, "|", "\\|"))
		heading = ""
	})
	if asEverywhere {
		b.WriteString("\nIt also has the flags of [Connecting](#connecting).\n")
	}
}
