package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// outputFlag adds -o text|json.
func outputFlag(c *cobra.Command, to *string) {
	*to = "text"
	c.Flags().StringVarP(to, "output", "o", "text", "text or json")
	oneOf(c, "output", to, "text", "json")
}

// oneOf completes a flag's values and refuses others before the command runs.
func oneOf(c *cobra.Command, flag string, value *string, allowed ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if !contains(allowed, *value) {
			return usagef("--%s %q: use %s", flag, *value, strings.Join(allowed, ", "))
		}
		if before != nil {
			return before(c, args)
		}
		return nil
	}
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printTable aligns rows; the first is the heading. Cells that are numbers, but
// for the heading, stand at the right. Cells may be any bytes: see printable.
func printTable(w io.Writer, rows [][]string) error {
	rows = printableRows(rows)
	widths := make([]int, len(rows[0]))
	right := make([]bool, len(rows[0]))
	for i := range right {
		right[i] = len(rows) > 1
	}
	for r, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], drawn(cell))
			if r > 0 && !isNumber(cell) {
				right[i] = false
			}
		}
	}
	var b, line strings.Builder
	for _, row := range rows {
		line.Reset()
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-drawn(cell))
			switch {
			case right[i]:
				line.WriteString(pad + cell)
			case i == len(row)-1:
				line.WriteString(cell)
			default:
				line.WriteString(cell + pad)
			}
			if i < len(row)-1 {
				line.WriteString("  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// foldLast divides the last cells over rows of their own, so that a table is no wider
// than a terminal; a width of 0 is none.
func foldLast(rows [][]string, width int) [][]string {
	last := len(rows[0]) - 1
	room := width
	for i := range last {
		widest := 0
		for _, row := range rows {
			widest = max(widest, drawn(row[i]))
		}
		room -= widest + 2
	}
	if width == 0 || room < minFold {
		return rows
	}
	var folded [][]string
	for _, row := range rows {
		for i, line := range foldText(row[last], room) {
			part := make([]string, last+1)
			if i == 0 {
				copy(part, row)
			}
			part[last] = line
			folded = append(folded, part)
		}
	}
	return folded
}

// minFold is the least width that text is folded to; below it is left to the terminal.
const minFold = 20

// foldText divides text into lines of width at most, at spaces; a longer word has a
// line of its own.
func foldText(text string, width int) []string {
	var lines []string
	line, at := "", 0
	for _, word := range strings.Fields(text) {
		n := drawn(word)
		switch {
		case line == "":
			line, at = word, n
		case at+1+n > width:
			lines = append(lines, line)
			line, at = word, n
		default:
			line, at = line+" "+word, at+1+n
		}
	}
	return append(lines, line)
}

func printableRows(rows [][]string) [][]string {
	all := make([][]string, len(rows))
	for r, row := range rows {
		all[r] = make([]string, len(row))
		for i, cell := range row {
			all[r][i] = printable(cell)
		}
	}
	return all
}

func isNumber(s string) bool {
	if s == "" || s == "-" {
		return true
	}
	for _, r := range s {
		if (r < '0' || r > '9') && r != '.' && r != ',' && r != '-' && r != ' ' {
			return false
		}
	}
	return true
}

// thousands writes a count with separators: 1 234 567.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return sign + s
}
