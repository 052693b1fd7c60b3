package expr

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators/columnar"
)

const referencePath = "../../docs/expressions.md"

// TestExamples evaluates every example of the documentation, once folded at
// compile time and once by the evaluation, as columns and row by row.
func TestExamples(t *testing.T) {
	for _, f := range append(Functions(), Operators()...) {
		if len(f.Examples) == 0 && f.Name != "now" {
			t.Errorf("%s has no example", f.Name)
		}
		for _, ex := range f.Examples {
			for _, opts := range []Options{{}, {noFold: true}} {
				if got := evaluateOne(t, ex.Expr, opts); got != ex.Result {
					t.Errorf("%s is %s, the documentation says %s", ex.Expr, got, ex.Result)
				}
			}
		}
	}
}

// evaluateOne is the value of an expression without columns.
func evaluateOne(t *testing.T, text string, opts Options) string {
	t.Helper()
	p, err := compile(text, emptySchema, opts)
	if err != nil {
		return err.Error()
	}
	b := &columnar.Batch{Schema: emptySchema, Rows: 3, Sel: []int32{1}}
	e := p.New()
	checkModes(t, p, e, b)
	return results(t, p, e, b, p.Mode())[1]
}

// TestReference checks that docs/expressions.md lists the functions and operators
// as they are; -update rewrites its tables.
func TestReference(t *testing.T) {
	raw, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	doc = replaceSection(t, doc, "operators", operatorTable())
	doc = replaceSection(t, doc, "functions", functionTables())
	if doc == string(raw) {
		return
	}
	if !*update {
		t.Fatalf("%s is not current: run go test ./operators/expr -run TestReference -update", referencePath)
	}
	if err := os.WriteFile(referencePath, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
}

func replaceSection(t *testing.T, doc, name, content string) string {
	begin, end := fmt.Sprintf("<!-- %s: generated, do not edit -->\n", name), fmt.Sprintf("<!-- %s: end -->", name)
	before, rest, ok1 := strings.Cut(doc, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no section %s", referencePath, name)
	}
	return before + begin + content + end + after
}

func operatorTable() string {
	var b strings.Builder
	b.WriteString("| operator | meaning | null | a row fails on | example |\n|---|---|---|---|---|\n")
	for _, op := range Operators() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", codes(names(op.Name)...), inCell(op.Doc), inCell(op.Nulls), inCell(op.Errors), examples(op))
	}
	return b.String()
}

// names are the spellings of an operator: "and &&".
func names(s string) []string {
	if s == "? : if" {
		return []string{"? :", "if"}
	}
	return strings.Fields(s)
}

func functionTables() string {
	var b strings.Builder
	category := ""
	for _, f := range Functions() {
		if f.Category != category {
			category = f.Category
			fmt.Fprintf(&b, "\n### %s\n\n| function | meaning | null | a row fails on | example |\n|---|---|---|---|---|\n", strings.ToUpper(category[:1])+category[1:])
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", codes(f.Signatures...), inCell(f.Doc), inCell(f.Nulls), inCell(f.Errors), examples(f))
	}
	return strings.TrimPrefix(b.String(), "\n") + "\n"
}

func examples(f Function) string {
	var out []string
	for _, ex := range f.Examples {
		out = append(out, fmt.Sprintf("`%s` = `%s`", inCell(ex.Expr), inCell(ex.Result)))
	}
	return strings.Join(out, "<br>")
}

// codes is code, one line for each text.
func codes(texts ...string) string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = "`" + inCell(s) + "`"
	}
	return strings.Join(out, "<br>")
}

// inCell is text in a table, where a bar would end the cell.
func inCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
