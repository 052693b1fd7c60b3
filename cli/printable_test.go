package cli

import (
	"strings"
	"testing"
)

// TestTablesHoldNoCommands: whoever may name a group, a client or a transaction chose
// what `millrace group list` sent to the administrator's terminal: colours, a title,
// lines that look like others, and in some terminals more than that.
func TestTablesHoldNoCommands(t *testing.T) {
	var out strings.Builder
	rows := [][]string{{"GROUP", "STATE"}, {"a\n\x1b[31mred\x1b[0m", "Empty"}, {"\xff\u009b2J", "Empty"}, {"größe", "Stable"}}
	if err := printTable(&out, rows); err != nil {
		t.Fatal(err)
	}
	const want = `GROUP                  STATE
a\n\x1b[31mred\x1b[0m  Empty
\xff\u009b2J           Empty
größe                  Stable
`
	if out.String() != want {
		t.Errorf("%q\nis printed and not\n%q", out.String(), want)
	}
	if rows[1][0] != "a\n\x1b[31mred\x1b[0m" {
		t.Error("the caller's rows have changed")
	}
}

func TestPrintable(t *testing.T) {
	for from, want := range map[string]string{
		"": "", "orders": "orders", `a"b\c d`: `a"b\c d`, "日本 🙂": "日本 🙂",
		"\t\r\x00\x7f": `\t\r\x00\x7f`, "\u202egnp": `\u202egnp`, "\u2028": `\u2028`,
	} {
		if got := printable(from); got != want {
			t.Errorf("%q becomes %q, not %q", from, got, want)
		}
	}
}
