package acl

import (
	"errors"
	"strings"
	"testing"
)

func TestPrincipalRules(t *testing.T) {
	const kafkas = `RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, ` +
		`RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L,` +
		"RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U ,\n" +
		`RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, DEFAULT`
	for _, c := range []struct{ rules, dn, want string }{
		{"", "CN=a,O=b", "CN=a,O=b"},
		{"DEFAULT", "CN=a,O=b", "CN=a,O=b"},
		{" , DEFAULT ,", "CN=a", "CN=a"},
		{kafkas, "CN=Duke,OU=ServiceUsers,O=Org,C=US", "duke"},
		{kafkas, "CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US", "duke@sme"},
		{kafkas, "cn=duke,ou=sme,dc=mycp,dc=com", "DUKE@SME"},
		{kafkas, "OU=JavaSoft,CN=Mr.Duke", "MR.DUKE"},
		{kafkas, "OU=JavaSoft,O=Sun", "OU=JavaSoft,O=Sun"},
		// A group that is not there is text; more digits than groups are text too.
		{`RULE:^CN=(.*?),.*$/$1@$2/`, "CN=a,O=b", "a@$2"},
		{`RULE:^CN=(.*?),.*$/$12/`, "CN=a,O=b", "a2"},
		{`RULE:^CN=(.*)$/$0!/`, "CN=a", "CN=a!"},
		{`RULE:^(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)$/$10$1/`, "abcdefghij", "ja"},
		{`RULE:^CN=(?P<who>\w+)$/${who}s/`, "CN=a", "as"},
		{`RULE:^CN=(a)?(b)$/$1$2/`, "CN=b", "b"},
		// Backslashes keep slashes, dollars and each other.
		{`RULE:^CN=host\/(\w+)$/\$\\\/$1/`, "CN=host/x", `$\/x`},
		// What the pattern finds is replaced, once it fits the whole.
		{`RULE:CN=(.*?)(,.*)?/$1/`, "CN=a,O=b", "a,O=b"},
		{`RULE:(\w=\w,?)+/x/`, "A=b,C=d", "x"},
		{`RULE:A/b/, RULE:^CN=(.*)$/$1/`, "CN=CA", "CA"},
		// A comma in a pattern separates no rules.
		{`RULE:^CN=([^,]*),O=b$/$1/,DEFAULT`, "CN=a,O=b", "a"},
		{`RULE:(?i)^cn=(.*)$/$1/`, "CN=Ä", "Ä"},
	} {
		rules, err := ParsePrincipalRules(c.rules)
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
			continue
		}
		if got, err := rules.Apply(c.dn); err != nil || got != c.want {
			t.Errorf("%s of %s is %q, %v; want %q", c.rules, c.dn, got, err, c.want)
		}
	}
}

func TestPrincipalRulesWithoutAMatch(t *testing.T) {
	rules, err := ParsePrincipalRules(`RULE:^CN=(.*?),OU=Services$/$1/`)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := rules.Apply("CN=a,OU=People"); !errors.Is(err, ErrNoPrincipalRule) {
		t.Errorf("got %q, %v", name, err)
	}
}

func TestPrincipalRulesRefused(t *testing.T) {
	for _, c := range []struct{ rules, want string }{
		{"default", "a rule is DEFAULT or RULE:"},
		{"DEFAULT DEFAULT", "a comma is missing"},
		{"DEFAULTs", "a comma is missing"},
		{"RULE:", "slash behind the pattern"},
		{"RULE:a/b", "slash behind the replacement"},
		{`RULE:a\/b/c`, "slash behind the replacement"},
		{"RULE:a/b/LU", "a comma is missing"},
		{"RULE:a/b/l", "a comma is missing"},
		{"RULE:(a/b/", "not RE2"},
		{"RULE:a)(b/c/", "not RE2"},
		{`RULE:(?=a)b/c/`, "not RE2"},
		{`RULE:(a)\1/c/`, "not RE2"},
		{"RULE:a/$/", "followed by a group"},
		{"RULE:a/${b}/", `the group "b"`},
	} {
		if _, err := ParsePrincipalRules(c.rules); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.rules, err, c.want)
		}
	}
}

func FuzzPrincipalRules(f *testing.F) {
	f.Add(`RULE:^CN=(.*?),OU=(\w+)$/$1@$2\//L, DEFAULT`, "CN=a,OU=b")
	f.Add(`RULE:(a)|b/${x}$10/U`, "b")
	f.Fuzz(func(t *testing.T, rules, dn string) {
		p, err := ParsePrincipalRules(rules)
		if err != nil {
			return
		}
		if name, err := p.Apply(dn); err != nil && (name != "" || !errors.Is(err, ErrNoPrincipalRule)) {
			t.Errorf("%q of %q: %q, %v", rules, dn, name, err)
		}
	})
}
