package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
)

// Call is a function call taken apart, as `sum(price / 1e6)` in an aggregate's
// compute.
type Call struct {
	Name   string
	From   int // the name's first rune
	Args   []Arg
	OpenAt int // the rune of the opening parenthesis
}

// Arg is the text of one argument.
type Arg struct {
	Text string
	From int // rune offset of Text in the call; Error.Shift takes it
}

// ParseCall takes apart a text that is exactly one call: a name and arguments
// between parentheses. It does not look inside the arguments. The error is an
// *Error.
func ParseCall(text string) (*Call, error) {
	toks, err := tokens(text)
	if err != nil {
		err.within(text)
		return nil, err
	}
	end := len(toks) - 1 // the EOF token
	if end < 3 || toks[0].Kind != lexer.Identifier || !toks[1].Is(lexer.Bracket, "(") {
		return nil, notACall(text)
	}
	c := &Call{Name: toks[0].Value, From: toks[0].From, OpenAt: toks[1].From}
	runes := []rune(text)
	depth, start := 1, toks[1].To
	add := func(to int) {
		raw := string(runes[start:to])
		trimmed := strings.TrimLeft(raw, " \t\r\n")
		lead := utf8.RuneCountInString(raw) - utf8.RuneCountInString(trimmed)
		c.Args = append(c.Args, Arg{Text: strings.TrimRight(trimmed, " \t\r\n"), From: start + lead})
	}
	for i := 2; i < end; i++ {
		t := toks[i]
		switch {
		case t.Kind == lexer.Bracket && strings.Contains("([{", t.Value):
			depth++
		case t.Kind == lexer.Bracket:
			depth--
			if depth > 0 {
				continue
			}
			if i != end-1 {
				return nil, &Error{From: toks[i+1].From, To: toks[end-1].To, Rule: "not-a-call",
					Msg:  "nothing may follow the closing parenthesis of " + c.Name + "(...)",
					Hint: "compute with the result in a map operator after this one"}
			}
			if i > 2 {
				add(t.From)
			}
			return c, checkArgs(c)
		case depth == 1 && t.Is(lexer.Operator, ","):
			add(t.From)
			start = t.To
		}
	}
	return nil, &Error{From: c.OpenAt, To: c.OpenAt + 1, Rule: "syntax", Msg: "this parenthesis is not closed"}
}

func notACall(text string) *Error {
	return &Error{To: utf8.RuneCountInString(text), Rule: "not-a-call",
		Msg: "an aggregate call such as sum(price) or count() is expected here"}
}

func checkArgs(c *Call) error {
	for _, a := range c.Args {
		if a.Text == "" {
			return &Error{From: a.From, To: a.From + 1, Rule: "syntax", Msg: "an argument of " + c.Name + " is missing here"}
		}
	}
	return nil
}

// tokens lexes a text and refuses what no expression may have: too great a
// length, bytes that are not UTF-8, comments, nesting beyond MaxDepth. The last
// token is EOF.
func tokens(text string) ([]lexer.Token, *Error) {
	if len(text) > MaxSourceBytes {
		return nil, &Error{To: 1, Rule: "too-large", Msg: "the expression is longer than 16 KiB"}
	}
	if !utf8.ValidString(text) {
		return nil, &Error{To: 1, Rule: "syntax", Msg: "the expression is not valid UTF-8"}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Error{To: 1, Rule: "syntax", Msg: "the expression is empty"}
	}
	toks, err := lexer.Lex(file.NewSource(text))
	if err != nil {
		return nil, syntaxError(err)
	}
	if err := checkComments(text, toks); err != nil {
		return nil, err
	}
	return toks, checkBrackets(toks)
}
