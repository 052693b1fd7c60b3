package dsl

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

var seed = flag.Uint64("seed", 0, "seed of random tests; 0 takes a new one")

func random(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", s)
	return rand.New(rand.NewPCG(s, s))
}

// locateAll parses a file `k: <scalar>` and returns the scalar's value and, for
// each of its runes, the rune that stands at its place in the file.
func locateAll(t *testing.T, text string) (value []rune, there []rune) {
	t.Helper()
	f := newFile("t.yaml", []byte(text), nil)
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, nil // the random scalar is not YAML in this form
	}
	n := doc.Content[0].Content[1]
	at := locator(f, n)
	if at == nil {
		t.Fatalf("no places for %q in %q", n.Value, text)
	}
	value = []rune(n.Value)
	for i := range value {
		p := at(i)
		line := f.line(p.Line)
		r := '\n'
		if p.Col <= len(line) {
			r = line[p.Col-1]
		}
		there = append(there, r)
	}
	return value, there
}

// In every style of scalar each rune of the value is found at its own place: there
// stands the rune itself, the backslash or quote that begins its escape, or, for
// white space, white space.
func TestLocate(t *testing.T) {
	rng := random(t)
	words := []string{"price", "==", `"click"`, "'it'", "and", "not", "(a + b)", "é", "日本", "#x", "a:b", "[1, 2]", "x\ty", "\\d+", "§"}
	checked := 0
	for range 4000 {
		var expr strings.Builder
		for i := range 1 + rng.IntN(6) {
			if i > 0 {
				expr.WriteString([]string{" ", "  ", "\n", "\n\n", " \n "}[rng.IntN(5)])
			}
			expr.WriteString(words[rng.IntN(len(words))])
		}
		text := styled(rng, expr.String())
		value, there := locateAll(t, text)
		for i, r := range value {
			checked++
			found := there[i]
			space := r == ' ' || r == '\n' || r == '\t'
			switch {
			case found == r, found == '\\', space && (found == ' ' || found == '\n' || found == '\t'):
			default:
				t.Fatalf("in %q rune %d of %q is %q, and at its place stands %q", text, i, string(value), r, found)
			}
		}
	}
	if checked < 10_000 {
		t.Errorf("only %d runes were checked: the scalars are not valid YAML", checked)
	}
}

// styled writes an expression as the value of a key in a random style.
func styled(rng *rand.Rand, expr string) string {
	indent := strings.Repeat(" ", 1+rng.IntN(4))
	lines := strings.Split(expr, "\n")
	switch rng.IntN(6) {
	case 0:
		return "k: " + strings.Join(lines, "\n"+indent) + "\n"
	case 1:
		return "k: '" + strings.ReplaceAll(strings.Join(lines, "\n"+indent), "'", "''") + "'\n"
	case 2:
		return "k: " + strconv.Quote(expr) + " # a comment\n"
	case 3:
		folded := strings.ReplaceAll(strings.ReplaceAll(expr, `\`, `\\`), `"`, `\"`)
		return "k: \"" + strings.ReplaceAll(folded, "\n", "\\n\\\n"+indent+"\\x20") + "\"\n"
	}
	header := []string{"|", ">", "|-", ">-", "|+", ">+", "| # comment"}[rng.IntN(7)]
	for i := range lines {
		if strings.TrimSpace(lines[i]) == "" {
			lines[i] = ""
		} else {
			lines[i] = indent + lines[i]
		}
	}
	return fmt.Sprintf("k: &anchor %s\n%s\nafter: x\n", header, strings.TrimRight(strings.Join(lines, "\n"), " "))
}

// Offsets beyond the value, as an expression that ends too early has them, are
// placed behind its last rune.
func TestLocateBehindTheEnd(t *testing.T) {
	f := newFile("t.yaml", []byte("k: 'ab'\n"), nil)
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte("k: 'ab'\n"), &doc); err != nil {
		t.Fatal(err)
	}
	at := locator(f, doc.Content[0].Content[1])
	for offset, col := range map[int]int{0: 5, 1: 6, 2: 7, 99: 7, -1: 4} {
		if got := at(offset).Col; got != col {
			t.Errorf("offset %d is at column %d, not %d", offset, got, col)
		}
	}
}
