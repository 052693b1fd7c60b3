package acl

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrNoPrincipalRule means that no rule says who a certificate is. The connection
// is to be refused.
var ErrNoPrincipalRule = errors.New("no principal mapping rule applies")

// PrincipalRules turn the distinguished name of a client's certificate into the name
// of a user, in the language of Kafka's ssl.principal.mapping.rules (KIP-371): rules
// separated by commas, of which the first that fits decides.
//
//	RULE:^CN=(.*?),OU=Services.*$/$1/L, DEFAULT
//
// RULE:pattern/replacement/ fits where the pattern matches the whole name. What the
// pattern finds is replaced; $1 is its first group. An L or U behind it makes the
// result lower or upper case. A backslash keeps a slash from ending the part.
// DEFAULT always fits and leaves the name as it is.
//
// Patterns are RE2 and not Java's: there is no looking ahead or behind, no reference
// back to a group and no possessive quantifier. Such patterns are refused and not
// understood differently. Two differences remain: an empty match right behind another
// match is not replaced once more, and upper case changes no letter into two.
//
// PrincipalRules are immutable and may be used concurrently.
type PrincipalRules struct {
	rules []principalRule
}

// principalRule is one of them; without a pattern it is DEFAULT.
type principalRule struct {
	find        *regexp.Regexp
	whole       *regexp.Regexp // find, over the whole name
	replacement []replacementPart
	fold        func(string) string // nil leaves the case
}

// replacementPart is text, or what a group has found.
type replacementPart struct {
	text  string
	group int // -1 is text
}

// ParsePrincipalRules reads rules; "" is DEFAULT. The error says what is wrong and
// where the rule stands.
func ParsePrincipalRules(s string) (*PrincipalRules, error) {
	if strings.TrimSpace(s) == "" {
		s = "DEFAULT"
	}
	rules := &PrincipalRules{}
	for rest := strings.TrimSpace(s); rest != ""; {
		if after, empty := strings.CutPrefix(rest, ","); empty {
			rest = strings.TrimSpace(after)
			continue
		}
		rule, after, err := parsePrincipalRule(rest)
		if err != nil {
			return nil, fmt.Errorf("principal mapping rule at %q: %w", rest, err)
		}
		rules.rules = append(rules.rules, rule)
		rest = strings.TrimSpace(after)
		if rest != "" && rest[0] != ',' {
			return nil, fmt.Errorf("principal mapping rules: a comma is missing before %q", rest)
		}
	}
	return rules, nil
}

// parsePrincipalRule reads the rule that s begins with and returns what follows.
func parsePrincipalRule(s string) (principalRule, string, error) {
	if rest, ok := strings.CutPrefix(s, "DEFAULT"); ok {
		return principalRule{}, rest, nil
	}
	rest, ok := strings.CutPrefix(s, "RULE:")
	if !ok {
		return principalRule{}, "", errors.New("a rule is DEFAULT or RULE:pattern/replacement/ with L or U behind it")
	}
	pattern, rest, ok := cutSlash(rest)
	if !ok {
		return principalRule{}, "", errors.New("the slash behind the pattern is missing")
	}
	replacement, rest, ok := cutSlash(rest)
	if !ok {
		return principalRule{}, "", errors.New("the slash behind the replacement is missing")
	}
	var r principalRule
	var err error
	if r.find, err = regexp.Compile(pattern); err != nil {
		return r, "", fmt.Errorf("the pattern is not RE2: %w", err)
	}
	if r.whole, err = regexp.Compile(`\A(?:` + pattern + `)\z`); err != nil {
		return r, "", fmt.Errorf("the pattern is not RE2: %w", err)
	}
	if r.replacement, err = parseReplacement(replacement, r.find); err != nil {
		return r, "", err
	}
	switch {
	case strings.HasPrefix(rest, "L"):
		r.fold, rest = strings.ToLower, rest[1:]
	case strings.HasPrefix(rest, "U"):
		r.fold, rest = strings.ToUpper, rest[1:]
	}
	return r, rest, nil
}

// cutSlash cuts s at its first slash that no backslash stands before. Backslashes
// stay where they are.
func cutSlash(s string) (before, after string, found bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '/':
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// parseReplacement reads a replacement as Java does: \x is x, ${name} a named group,
// $1 a group by number, of as many digits as there are groups for. The number of a
// group that is not there is text, as in Kafka.
func parseReplacement(s string, find *regexp.Regexp) ([]replacementPart, error) {
	var parts []replacementPart
	var text strings.Builder
	group := func(n int) {
		if text.Len() > 0 {
			parts = append(parts, replacementPart{text.String(), -1})
			text.Reset()
		}
		parts = append(parts, replacementPart{group: n})
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\': // cutSlash has seen that something follows
			i++
			text.WriteByte(s[i])
		case s[i] != '$':
			text.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '{':
			name, _, ok := strings.Cut(s[i+2:], "}")
			n := find.SubexpIndex(name)
			if !ok || n < 0 {
				return nil, fmt.Errorf("the replacement names the group %q, which the pattern does not have", name)
			}
			group(n)
			i += len(name) + 2
		case i+1 < len(s) && isDigit(s[i+1]):
			n := int(s[i+1] - '0')
			if n > find.NumSubexp() {
				text.WriteByte('$')
				continue
			}
			for i++; i+1 < len(s) && isDigit(s[i+1]) && 10*n+int(s[i+1]-'0') <= find.NumSubexp(); i++ {
				n = 10*n + int(s[i+1]-'0')
			}
			group(n)
		default:
			return nil, errors.New("a $ in a replacement is followed by a group; write \\$ for the sign itself")
		}
	}
	if text.Len() > 0 {
		parts = append(parts, replacementPart{text.String(), -1})
	}
	return parts, nil
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// Apply is the user's name for a distinguished name (RFC 2253, as Java writes it).
// The principal is "User:" and this name. The error wraps ErrNoPrincipalRule.
func (p *PrincipalRules) Apply(dn string) (string, error) {
	for i := range p.rules {
		if name, ok := p.rules[i].apply(dn); ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w to %q", ErrNoPrincipalRule, dn)
}

func (r *principalRule) apply(dn string) (string, bool) {
	if r.find == nil {
		return dn, true
	}
	if !r.whole.MatchString(dn) {
		return "", false
	}
	var b strings.Builder
	done := 0
	for _, m := range r.find.FindAllStringSubmatchIndex(dn, -1) {
		b.WriteString(dn[done:m[0]])
		for _, part := range r.replacement {
			if part.group < 0 {
				b.WriteString(part.text)
			} else if from := m[2*part.group]; from >= 0 {
				b.WriteString(dn[from:m[2*part.group+1]])
			}
		}
		done = m[1]
	}
	b.WriteString(dn[done:])
	if r.fold != nil {
		return r.fold(b.String()), true
	}
	return b.String(), true
}
