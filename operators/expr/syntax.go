package expr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
)

// checkComments refuses comments. The lexer drops them silently, so they are
// found as text between tokens that is not white space.
func checkComments(text string, toks []lexer.Token) error {
	runes := []rune(text)
	at := 0
	for _, t := range toks {
		to := min(t.From, len(runes))
		if t.Kind == lexer.EOF {
			to = len(runes)
		}
		for i := at; i < to; i++ {
			if strings.ContainsRune(" \t\r\n", runes[i]) {
				continue
			}
			if i+1 < len(runes) && runes[i] == '/' && (runes[i+1] == '/' || runes[i+1] == '*') {
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
func checkBrackets(toks []lexer.Token) error {
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
			return &Error{From: t.From, To: t.To, Rule: "too-deep", Msg: fmt.Sprintf("the expression is nested more than %d levels deep", MaxDepth)}
		}
	}
	return nil
}

// syntaxError is a fault of expr's lexer or parser in our words.
func syntaxError(text string, err error) *Error {
	var fe *file.Error
	if !errors.As(err, &fe) {
		return &Error{To: 1, Rule: "syntax", Msg: err.Error()}
	}
	return &Error{From: fe.From, To: max(fe.To, fe.From+1), Rule: "syntax", Msg: fe.Message}
}
