package dsl

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/operators/spec"
)

// variableForm finds ${NAME}, ${NAME:default} and the escape ${{NAME}}. Anything
// else after a $ is text: "${1}" belongs to a regular expression.
var variableForm = regexp.MustCompile(`\$\{\{([A-Za-z_][A-Za-z0-9_]*(?::[^{}]*)?)\}\}|\$\{([A-Za-z_][A-Za-z0-9_]*)(:[^{}]*)?\}`)

// substitute fills environment variables into a scalar. It works on the parsed
// value, so a variable's content is never read as YAML: it cannot add keys, and
// needs no quoting.
func (f *file) substitute(t *tree) {
	if !strings.Contains(t.text, "${") {
		return
	}
	s := substitution{old: t.text}
	for _, m := range variableForm.FindAllStringSubmatchIndex(t.text, -1) {
		s.keep(m[0])
		if m[2] >= 0 { // the escape keeps one pair of braces
			s.replace(m[1], "${"+t.text[m[2]:m[3]]+"}")
		} else {
			s.replace(m[1], f.variable(t, m))
		}
		if s.text.Len() > maxFileBytes {
			t.bad = true
			f.faultf(t.pos, "too-large", "with its environment variables this value has more than %d bytes", maxFileBytes)
			return
		}
	}
	s.keep(len(t.text))
	locate, parts := t.locate, s.parts
	t.text = s.text.String()
	t.locate = func(offset int) spec.Pos { return locate(original(parts, offset)) }
}

// variable is the value of the reference that m found in t.
func (f *file) variable(t *tree, m []int) string {
	name := t.text[m[4]:m[5]]
	if value, ok := f.getenv(name); ok {
		return value
	}
	if m[6] >= 0 {
		return t.text[m[6]+1 : m[7]]
	}
	t.bad = true
	at := t.locate(utf8.RuneCountInString(t.text[:m[0]]))
	f.faultf(at, "environment", "the environment variable %s is not set", name).Hint =
		"set it, give a default as ${" + name + ":default}, or write ${{" + name + "}} for the text itself"
	return ""
}

// substitution builds a scalar's new text from its old one, left to right, and
// remembers which part came from where.
type substitution struct {
	old   string
	done  int // bytes of old that are dealt with
	runes int // the same in runes
	text  strings.Builder
	size  int // runes in text
	parts []part
}

// part says that from rune offset to of the new text on, runes come from offset
// from of the old text; those of a fixed part all come from that one place.
type part struct {
	to, from int
	fixed    bool
}

// keep copies the old text up to a byte offset.
func (s *substitution) keep(end int) {
	if s.done == end {
		return
	}
	kept := s.old[s.done:end]
	s.parts = append(s.parts, part{to: s.size, from: s.runes})
	s.text.WriteString(kept)
	n := utf8.RuneCountInString(kept)
	s.done, s.runes, s.size = end, s.runes+n, s.size+n
}

// replace writes value for the old text up to a byte offset.
func (s *substitution) replace(end int, value string) {
	s.parts = append(s.parts, part{to: s.size, from: s.runes, fixed: true})
	s.text.WriteString(value)
	s.size += utf8.RuneCountInString(value)
	s.runes += utf8.RuneCountInString(s.old[s.done:end])
	s.done = end
}

// original is the offset in the old text of an offset in the new one.
func original(parts []part, offset int) int {
	from := offset
	for _, p := range parts {
		if p.to > offset {
			break
		}
		from = p.from
		if !p.fixed {
			from += offset - p.to
		}
	}
	return from
}
