package dsl

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/operators/spec"
)

// YAML has opinions about characters that expressions are full of: `? :`, a
// leading `!`, `*`, `&`, `"`, `>`, `[`, and ` #`. Its own messages for them name
// a line at best and speak of anchors and block mappings. This file turns them
// into the one advice that helps.
//
// The library names the line where the mapping around the fault began, or none. So
// the line is found by experiment: it is the last line of the shortest beginning
// of the file about which the library complains in the same words. If the value
// on that line begins or continues in a way that YAML would misread, it is put in
// quotes, by way of trial; when the complaint then goes away or moves further
// down, that value was the cause.

// maxTrapBytes is the size up to which files are examined in this way; larger ones
// get the library's message. It bounds the time that the experiments take.
const maxTrapBytes = 128 << 10

var (
	// contextual are the messages that name the line before the construct.
	contextual = regexp.MustCompile(`^did not find expected (key|node content|'-' indicator|',' or|<)`)
	yamlLine   = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	keyValue   = regexp.MustCompile(`^(\s*(?:- )*\s*)([A-Za-z0-9_.-]+):\s+(\S.*?)\s*$`)
	anchorIn   = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// explainYAML records the library's complaint, in the terms of the cause if that
// can be found.
func (f *file) explainYAML(err error) {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		f.faultf(f.pos(1, 1), "yaml", "%s", err)
		return
	}
	line, _ := strconv.Atoi(m[1])
	msg := m[2]
	if contextual.MatchString(msg) {
		line++
	}
	line = min(max(line, 1), len(f.lines))
	if a := anchorIn.FindStringSubmatch(msg); a != nil {
		f.unknownAnchor(a[1])
		return
	}
	if len(f.text()) <= maxTrapBytes {
		line = f.culprit(line, msg)
		if f.trapped(line, msg) {
			return
		}
	}
	p := f.pos(line, leadingSpaces(f.line(line))+1)
	f.faultf(p, "yaml", "this is not valid YAML: %s", msg).Hint = yamlAdvice(msg)
}

// trapped reports the trap on a line, if there is one.
func (f *file) trapped(line int, msg string) bool {
	if p, ok := f.tabIndent(line); ok {
		f.faultf(p, "yaml-tab", "a tab cannot indent YAML").Hint = "use spaces"
		return true
	}
	if f.quoteTrap(line) {
		return true
	}
	if p, what, ok := f.flowTrap(line); ok && strings.Contains(msg, "',' or") {
		f.faultf(p, "yaml-flow", "inside {...} or [...] YAML does not read %s as part of a plain value", what).Hint =
			"quote this expression, or write the mapping over several lines"
		return true
	}
	return false
}

// yamlAdvice adds what usually is the reason to messages of the library.
func yamlAdvice(msg string) string {
	switch {
	case strings.Contains(msg, "expected key"):
		return "the lines from here on do not form one mapping: check their indentation, and quote values with special characters"
	case strings.Contains(msg, "end of stream"):
		return "a quote or bracket that is opened from here on is not closed"
	case strings.Contains(msg, "',' or"):
		return "a { or [ that is opened from here on is not closed, or a value in it needs quotes"
	case strings.Contains(msg, "mapping values"):
		return "a value that contains `: ` needs quotes; a nested mapping begins on its own line"
	}
	return ""
}

// unknownAnchor places the complaint about *name, which the library does not place.
func (f *file) unknownAnchor(name string) {
	for i := range f.lines {
		text := string(f.lines[i])
		if at := strings.Index(text, "*"+name); at >= 0 && !strings.HasPrefix(strings.TrimSpace(text), "#") {
			f.faultf(f.pos(i+1, len([]rune(text[:at]))+1), "yaml-alias", "YAML reads *%s as an alias, and there is no &%s", name, name).Hint =
				"quote this expression if it is one"
			return
		}
	}
	f.faultf(f.pos(1, 1), "yaml-alias", "there is no anchor &%s for the alias *%s", name, name)
}

// culprit is the line with which the complaint begins: files that end before it
// do not give rise to it.
func (f *file) culprit(line int, msg string) int {
	n := sort.Search(len(f.lines)-line, func(i int) bool {
		_, said := complaint(f.head(line + i))
		return said == msg
	})
	return line + n
}

// tabIndent finds a tab in a line's indentation.
func (f *file) tabIndent(line int) (spec.Pos, bool) {
	text := f.line(line)
	if lead := leadingSpaces(text); lead < len(text) && text[lead] == '\t' {
		return f.pos(line, lead+1), true
	}
	return spec.Pos{}, false
}

// quoteTrap reports the value on a line if quotes around it silence the library
// there.
func (f *file) quoteTrap(line int) bool {
	text := string(f.line(line))
	m := keyValue.FindStringSubmatchIndex(text)
	if m == nil {
		return false
	}
	key, value := text[m[4]:m[5]], text[m[6]:m[7]]
	offset, why := trap(value)
	if why == "" {
		return false
	}
	before, _ := complaint(f.text())
	if after, _ := complaint(f.withLine(line, text[:m[6]]+"x")); after != 0 && after <= before {
		return false
	}
	col := len([]rune(text[:m[6]+offset])) + 1
	f.faultf(f.pos(line, col), "yaml-quote", "%s", why).Hint = fmt.Sprintf("quote this expression: %s: %s", key, yamlQuote(value))
	return true
}

// trap says at which byte offset of a value in block style YAML misreads it, and
// how; "" if it does not.
func trap(value string) (int, string) {
	switch c := value[0]; c {
	case '"', '\'':
		if end := closingQuote(value); end > 0 && end+1 < len(value) {
			if rest := strings.TrimLeft(value[end+1:], " \t"); rest != "" && !strings.HasPrefix(rest, "#") {
				return len(value) - len(rest), "YAML ends the value at the closing quote and does not expect more"
			}
		}
		return 0, ""
	case '&', '*':
		return 0, fmt.Sprintf("YAML reads a leading %c as an anchor or alias", c)
	case '%', '@', '`':
		return 0, fmt.Sprintf("a YAML value cannot begin with %c", c)
	case '>', '|':
		return 0, fmt.Sprintf("YAML reads a leading %c as the start of a text block", c)
	case '{', '[':
		if balanced(value) && !strings.HasSuffix(value, "}") && !strings.HasSuffix(value, "]") {
			return 0, fmt.Sprintf("YAML reads a leading %c as a mapping or list of its own", c)
		}
		return 0, ""
	case '-', '?':
		if strings.HasPrefix(value[1:], " ") {
			return 0, fmt.Sprintf("YAML reads a leading %c as part of a list or mapping", c)
		}
	case '!':
		return 0, "YAML reads a leading ! as a tag"
	}
	if at := strings.Index(value, ": "); at >= 0 {
		return at, "YAML reads `: ` inside a value as the start of a mapping"
	}
	if strings.HasSuffix(value, ":") {
		return len(value) - 1, "YAML reads a : at the end of a value as the start of a mapping"
	}
	return 0, ""
}

// closingQuote is the offset of the quote that closes the one value begins with.
func closingQuote(value string) int {
	quote := value[0]
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == '\\' && quote == '"':
			i++
		case value[i] == quote && quote == '\'' && i+1 < len(value) && value[i+1] == quote:
			i++
		case value[i] == quote:
			return i
		}
	}
	return -1
}

// flowTrap finds the character in a {...} on a line that YAML does not take in a
// plain value there.
func (f *file) flowTrap(line int) (spec.Pos, string, bool) {
	text := f.line(line)
	depth, value := 0, nothing
	var quote rune // the quote that closes the current value
	for i, r := range text {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case depth > 0 && value == quoted && !strings.ContainsRune(" ,:}]", r),
			depth > 0 && value == plain && strings.ContainsRune(`?[{`, r):
			return f.pos(line, i+1), string(r), true
		case r == '{' || r == '[':
			depth, value = depth+1, nothing
		case r == '}' || r == ']':
			depth, value = depth-1, nothing
		case r == ',':
			value = nothing
		case r == ':' && (i+1 == len(text) || text[i+1] == ' '): // what was read was a key
			value = nothing
		case (r == '"' || r == '\'') && value == nothing:
			quote, value = r, quoted
		case r != ' ' && value == nothing:
			value = plain
		}
	}
	return spec.Pos{}, "", false
}

// What flowTrap has read of the current value.
const (
	nothing = iota
	plain
	quoted
)

// text is the whole file.
func (f *file) text() string { return f.withLine(0, "") }

// withLine is the file with one line (from 1) replaced.
func (f *file) withLine(n int, text string) string {
	var b strings.Builder
	for i, line := range f.lines {
		if i+1 == n {
			b.WriteString(text)
		} else {
			b.WriteString(string(line))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// head is the beginning of the file up to and with line n.
func (f *file) head(n int) string {
	var b strings.Builder
	for _, line := range f.lines[:n] {
		b.WriteString(string(line))
		b.WriteByte('\n')
	}
	return b.String()
}

// complaint is the line that the library names when it refuses a text, and its
// words: 0 if it does not refuse it.
func complaint(text string) (line int, msg string) {
	_, err := decodeNode(yaml.NewDecoder(strings.NewReader(text)))
	if err == nil {
		return 0, ""
	}
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return 1, err.Error()
	}
	line, _ = strconv.Atoi(m[1])
	return max(line, 1), m[2]
}

// yamlQuote writes text as a YAML value in quotes.
func yamlQuote(text string) string {
	if !strings.Contains(text, "'") {
		return "'" + text + "'"
	}
	return strconv.Quote(text)
}

// balanced says whether every bracket and quote that an expression opens is
// closed in it.
func balanced(expression string) bool {
	depth := 0
	var quote rune
	escaped := false
	for _, r := range expression {
		switch {
		case escaped:
			escaped = false
		case quote != 0:
			escaped = r == '\\' && quote != '`'
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case r == '(' || r == '[' || r == '{':
			depth++
		case r == ')' || r == ']' || r == '}':
			depth--
		}
	}
	return depth <= 0 && quote == 0
}
