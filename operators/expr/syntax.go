package expr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"

	"github.com/millrace/millrace/operators/columnar"
)

// checkComments refuses comments. The lexer drops them silently, so they are
// found as text between tokens that is not white space.
func checkComments(text string, toks []lexer.Token) *Error {
	runes := []rune(text)
	at := 0
	for _, t := range toks {
		to := min(t.From, len(runes))
		if t.Kind == lexer.EOF {
			to = len(runes)
		}
		for i := at; i+1 < to; i++ {
			if runes[i] == '/' && (runes[i+1] == '/' || runes[i+1] == '*') {
				return &Error{From: i, To: i + 2, Rule: "comment",
					Msg:  fmt.Sprintf("%s starts a comment, and what follows it would be ignored", string(runes[i:i+2])),
					Hint: "for integer division write idiv(a, b); remarks belong into the YAML or the node's description"}
			}
		}
		at = max(at, t.To)
	}
	return nil
}

// checkBrackets bounds the nesting before the recursive parser runs.
func checkBrackets(toks []lexer.Token) *Error {
	depth := 0
	for _, t := range toks {
		if t.Kind != lexer.Bracket {
			continue
		}
		if !strings.Contains("([{", t.Value) {
			depth--
			continue
		}
		if depth++; depth > MaxDepth {
			return tooDeep(t.From, t.To)
		}
	}
	return nil
}

var msgTooManyParts = fmt.Sprintf("the expression has more than %d parts", MaxNodes)

func tooDeep(from, to int) *Error {
	return &Error{From: from, To: to, Rule: "too-deep", Msg: fmt.Sprintf("the expression is nested more than %d levels deep", MaxDepth),
		Hint: "compute a part of it in a map operator before this one"}
}

// syntaxError is a fault of expr's lexer or parser.
func syntaxError(err error) *Error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return &Error{To: 1, Rule: "syntax", Msg: err.Error()}
	}
	out := &Error{From: fe.From, To: max(fe.To, fe.From+1), Rule: "syntax", Msg: fe.Message}
	switch {
	case fe.Message == "literal not terminated":
		out.Msg = "a string is not closed: the quote at its end is missing"
	case strings.Contains(fe.Message, "exceeds maximum allowed nodes"):
		out.Rule, out.Msg = "too-large", msgTooManyParts
	}
	return out
}

// habits are tokens of other languages at which the parser stops, and what to
// write here.
var habits = map[string]string{
	"=":   "write == to compare",
	"&":   "write and",
	"#":   "# means the element of an array, inside of filter(...), any(...) and the like",
	"<>":  "write !=",
	"AND": "write and", "OR": "write or", "NOT": "write not", "IN": "write in",
	"is": "write == nil or != nil", "IS": "write == nil or != nil",
	"like": "write contains, startsWith, endsWith or matches", "LIKE": "write contains, startsWith, endsWith or matches",
	"between": "write x >= a and x <= b", "BETWEEN": "write x >= a and x <= b",
	"then": "write if c {a} else {b}", "case": "write if c {a} else {b}", "CASE": "write if c {a} else {b}",
}

// explainSyntax makes the parser's complaint easier to act on.
func explainSyntax(toks []lexer.Token, schema *columnar.Schema, err *Error) *Error {
	if strings.HasSuffix(err.Msg, "unexpected token EOF") {
		err.Msg = "the expression ends too early"
		return err
	}
	for i, t := range toks {
		if t.From != err.From {
			continue
		}
		if strings.HasPrefix(err.Msg, "invalid integer literal") && i > 0 {
			// The parser is one token ahead when it looks at a number.
			return &Error{From: toks[i-1].From, To: toks[i-1].To, Rule: "syntax", Msg: "the number is beyond the range of int64"}
		}
		if strings.HasPrefix(err.Msg, "unexpected token") {
			err.Msg = fmt.Sprintf("%q is not expected here", t.Value)
		}
		if hint, ok := habits[t.Value]; ok {
			err.Hint = hint
		} else if t.Kind == lexer.Operator && schema.Index(t.Value) >= 0 {
			err.Hint = fmt.Sprintf("for the column write $env[%q]", t.Value)
		}
		if t.Value == ")" && i >= 2 && toks[i-1].Value == "(" {
			err.Hint = aggregateHint(toks[i-2].Value)
		}
		if t.Value == ">" && i > 0 && toks[i-1].Value == "<" {
			err.Hint = habits["<>"]
		}
		return err
	}
	return err
}

// aggregateHint explains a call such as count() or avg(x) where no aggregate can
// stand; empty if name is none.
func aggregateHint(name string) string {
	switch name {
	case "count", "sum", "min", "max", "avg", "count_distinct":
		return name + " over rows belongs into the compute of an aggregate operator"
	}
	return ""
}
