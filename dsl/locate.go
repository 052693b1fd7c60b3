package dsl

import (
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/operators/spec"
)

// A scanner re-reads one YAML scalar from the file to learn where each rune of
// its value stands. The simple way, adding an offset to the scalar's column, is
// wrong as soon as there are quotes, escapes, line folds or a block, and these
// are exactly the forms that this program tells people to use for expressions.
//
// So the scalar is read a second time by YAML's rules, and each rune of the
// value is written down with its line and column. If what was read differs from
// the value that the YAML library found, the map is thrown away and positions
// fall back to the start of the scalar: a wrong place is worse than a coarse one.
type scanner struct {
	f         *file
	line, col int // of the next rune; both count from 1
	out       []located
}

// located is a rune of a scalar's value and where it stands.
type located struct {
	r         rune
	line, col int
}

// eol is what peek returns behind the last rune of a line, eof behind the last line.
const (
	eol rune = '\n'
	eof rune = -1
)

func (s *scanner) peek() rune {
	line := s.f.line(s.line)
	switch {
	case s.line > len(s.f.lines):
		return eof
	case s.col <= len(line):
		return line[s.col-1]
	case s.line == len(s.f.lines):
		return eof
	}
	return eol
}

func (s *scanner) next() rune {
	r := s.peek()
	if r == eol {
		s.line, s.col = s.line+1, 1
	} else if r != eof {
		s.col++
	}
	return r
}

func (s *scanner) emit(r rune, line, col int) {
	s.out = append(s.out, located{r, line, col})
}

// locator maps rune offsets in a scalar's value to places in the file. It returns
// nil if the scalar could not be followed.
func locator(f *file, n *yaml.Node) func(int) spec.Pos {
	s := &scanner{f: f, line: n.Line, col: n.Column}
	s.skipProperties()
	value := []rune(n.Value)
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		s.quoted('\'')
	case n.Style&yaml.DoubleQuotedStyle != 0:
		s.quoted('"')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		s.block(n.Style&yaml.LiteralStyle != 0)
	default:
		s.plain(value)
	}
	if !s.reads(value) {
		return nil
	}
	runes := s.out[:len(value)]
	return func(offset int) spec.Pos {
		switch {
		case offset < 0 || len(runes) == 0:
			return f.pos(n.Line, n.Column)
		case offset >= len(runes): // behind the last rune
			last := runes[len(runes)-1]
			return f.pos(last.line, last.col+1)
		}
		return f.pos(runes[offset].line, runes[offset].col)
	}
}

// reads says whether what was scanned is the value. A block's last line breaks may
// be missing from the value: chomping took them.
func (s *scanner) reads(value []rune) bool {
	if len(s.out) < len(value) {
		return false
	}
	for i, r := range value {
		if s.out[i].r != r {
			return false
		}
	}
	for _, rest := range s.out[len(value):] {
		if rest.r != '\n' {
			return false
		}
	}
	return true
}

// skipProperties moves over a tag and an anchor in front of the scalar.
func (s *scanner) skipProperties() {
	for r := s.peek(); r == '!' || r == '&'; r = s.peek() {
		for r = s.peek(); r != ' ' && r != '\t' && r != eol && r != eof; r = s.peek() {
			s.next()
		}
		for r = s.peek(); r == ' ' || r == '\t' || r == eol; r = s.peek() {
			s.next()
		}
	}
}

// plain reads a scalar without quotes. Where it ends depends on what is around
// it, so the value says how far to read.
func (s *scanner) plain(value []rune) {
	for len(s.out) < len(value) {
		r, line, col := s.peek(), s.line, s.col
		switch r {
		case eof:
			return
		case ' ', '\t', eol:
			s.blanks()
		default:
			s.next()
			s.emit(r, line, col)
		}
	}
}

// blanks reads white space between two words. Within a line it stands for itself;
// around line breaks it folds: one break is a space, n breaks are n-1 line feeds.
func (s *scanner) blanks() {
	start, breaks := *s, 0
	var run []located
	for r := s.peek(); r == ' ' || r == '\t' || r == eol; r = s.peek() {
		if r == eol {
			breaks++
		}
		run = append(run, located{r, s.line, s.col})
		s.next()
	}
	switch {
	case breaks == 0:
		s.out = append(s.out, run...)
	case breaks == 1:
		s.emit(' ', start.line, start.col)
	default:
		for range breaks - 1 {
			s.emit('\n', start.line, start.col)
		}
	}
}

// quoted reads a scalar in single or double quotes up to the closing one.
func (s *scanner) quoted(quote rune) {
	if s.next() != quote {
		return
	}
	for {
		r, line, col := s.peek(), s.line, s.col
		switch {
		case r == eof:
			return
		case r == quote:
			s.next()
			if quote == '"' || s.peek() != '\'' {
				return
			}
			s.next()
			s.emit('\'', line, col)
		case r == '\\' && quote == '"':
			s.next()
			s.escape(line, col)
		case r == ' ' || r == '\t' || r == eol:
			s.blanks()
		default:
			s.next()
			s.emit(r, line, col)
		}
	}
}

// simpleEscapes are the escapes of double quotes that stand for one rune.
var simpleEscapes = map[rune]rune{
	'0': 0, 'a': '\a', 'b': '\b', 't': '\t', '\t': '\t', 'n': '\n', 'v': '\v', 'f': '\f', 'r': '\r',
	'e': '\x1b', ' ': ' ', '"': '"', '\'': '\'', '/': '/', '\\': '\\', 'N': '\u0085', '_': '\u00a0', 'L': '\u2028', 'P': '\u2029',
}

// escape reads what follows a backslash that stands at line and col.
func (s *scanner) escape(line, col int) {
	c := s.next()
	if r, ok := simpleEscapes[c]; ok {
		s.emit(r, line, col)
		return
	}
	if c == eol { // the line goes on behind the next line's indentation
		for r := s.peek(); r == ' ' || r == '\t'; r = s.peek() {
			s.next()
		}
		return
	}
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c]
	var hex strings.Builder
	for range digits {
		hex.WriteRune(s.next())
	}
	if r, err := strconv.ParseUint(hex.String(), 16, 32); err == nil {
		s.emit(rune(r), line, col)
	}
}

// block reads a literal (|) or folded (>) scalar. The value ends with the first
// line that is indented less; chomping is left to reads.
func (s *scanner) block(literal bool) {
	for s.peek() != eol && s.peek() != eof { // the header
		s.next()
	}
	s.next()
	indent := s.blockIndent()
	var pending []located // line breaks not yet decided: at most one leads a fold
	blankBefore, first := false, true
	for ; s.line <= len(s.f.lines); s.line++ {
		text := s.f.line(s.line)
		if lead := leadingSpaces(text); lead == len(text) && lead <= indent {
			pending = append(pending, located{'\n', s.line, len(text) + 1})
			continue
		} else if lead < indent {
			break
		}
		blank := text[indent] == ' ' || text[indent] == '\t'
		if !literal && !first && !blank && !blankBefore && len(pending) > 0 {
			s.fold(pending)
		} else {
			s.out = append(s.out, pending...)
		}
		for i := indent; i < len(text); i++ {
			s.emit(text[i], s.line, i+1)
		}
		pending = []located{{'\n', s.line, len(text) + 1}}
		blankBefore, first = blank, false
	}
	s.out = append(s.out, pending...)
}

// fold joins two lines of a folded block: the break between them is a space, or
// nothing if empty lines follow it, which are line feeds.
func (s *scanner) fold(breaks []located) {
	if len(breaks) == 1 {
		s.emit(' ', breaks[0].line, breaks[0].col)
		return
	}
	s.out = append(s.out, breaks[1:]...)
}

// blockIndent is the indentation of the first line of a block that is not empty.
// An explicit indentation indicator with deeper first line is not followed.
func (s *scanner) blockIndent() int {
	for n := s.line; n <= len(s.f.lines); n++ {
		text := s.f.line(n)
		if lead := leadingSpaces(text); lead < len(text) {
			return lead
		}
	}
	return 0
}

func leadingSpaces(text []rune) int {
	n := 0
	for n < len(text) && text[n] == ' ' {
		n++
	}
	return n
}
