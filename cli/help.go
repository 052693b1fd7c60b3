package cli

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/operators/spec"
)

// Help is as wide as the terminal, within these bounds; what is no terminal gets the
// lesser.
const (
	minHelp = 80
	maxHelp = 120
)

func init() { cobra.AddTemplateFunc("foldedFlags", foldedFlags) }

// foldHelp has the flags in the help of all commands folded: some need three lines to
// say what they take.
func foldHelp(root *cobra.Command) {
	root.SetUsageTemplate(strings.NewReplacer(
		".LocalFlags.FlagUsages", "foldedFlags .LocalFlags",
		".InheritedFlags.FlagUsages", "foldedFlags .InheritedFlags",
	).Replace(root.UsageTemplate()))
}

func foldedFlags(f *pflag.FlagSet) string {
	return foldFlags(f.FlagUsages(), max(minHelp, min(columns(os.Stdout), maxHelp)))
}

// flagLine is a flag with its type, and what it does.
var flagLine = regexp.MustCompile(`^( +(?:-\w, )?--[\w-]+(?: \w+)?)\s*(.*)$`)

// foldFlags lays out what pflag says of flags, a line each, in width columns. What a
// flag does begins in the same column for all; long names have a line of their own.
func foldFlags(usages string, width int) string {
	const column = 30
	var b strings.Builder
	for line := range strings.Lines(usages) {
		parts := flagLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if parts == nil {
			b.WriteString(line)
			continue
		}
		b.WriteString(parts[1])
		at := len(parts[1])
		if at > column-2 {
			b.WriteByte('\n')
			at = 0
		}
		b.WriteString(strings.Repeat(" ", column-at))
		b.WriteString(strings.Join(foldText(parts[2], width-column), "\n"+strings.Repeat(" ", column)))
		b.WriteByte('\n')
	}
	return b.String()
}

// misspelt is what is wrong with the name of a command, before its flags are looked at.
func misspelt(root *cobra.Command, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return nil
	}
	name := args[0]
	if strings.HasPrefix(name, cobra.ShellCompRequestCmd) || name == "help" || name == "completion" {
		return nil
	}
	for _, c := range root.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return nil
		}
	}
	return usagef("there is no command %q%s (millrace --help lists those that there are)", name, didYouMean(root, name))
}

// didYouMean names the child of c that was probably meant.
func didYouMean(c *cobra.Command, name string) string {
	var known []string
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			known = append(known, child.Name())
		}
	}
	if near := spec.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}
