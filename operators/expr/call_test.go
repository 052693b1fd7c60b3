package expr

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseCall(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`count()`, `count@0 []`},
		{`sum(price / 1e6)`, `sum@0 [price / 1e6@4]`},
		{` sum ( price )`, `sum@1 [price@7]`},
		{`min(a, [b, c][0], f(d, e))`, `min@0 [a@4 [b, c][0]@7 f(d, e)@18]`},
		{`é("a, b", 'c)')`, `é@0 ["a, b"@2 'c)'@10]`},
		{`count_distinct(user)`, `count_distinct@0 [user@15]`},
		{`sum(x,)`, `at character 7: an argument of sum is missing here [syntax]`},
		{`sum(,x)`, `at character 5: an argument of sum is missing here [syntax]`},
		{`sum(x`, `at character 4: this parenthesis is not closed [syntax]`},
		{`sum(x) + 1`, `at character 8: nothing may follow the closing parenthesis of sum(...); compute with the result in a map operator after this one [not-a-call]`},
		{`sum`, `at character 1: an aggregate call such as sum(price) or count() is expected here [not-a-call]`},
		{`1 + sum(x)`, `at character 1: an aggregate call such as sum(price) or count() is expected here [not-a-call]`},
		{``, `at character 1: the expression is empty [syntax]`},
		{`sum(x) // all`, `at character 8: // starts a comment, and what follows it would be ignored; for integer division write idiv(a, b); remarks belong into the YAML or the node's description [comment]`},
	} {
		c, err := ParseCall(test.text)
		var got string
		if err != nil {
			got = err.Error()
		} else {
			var args []string
			for _, a := range c.Args {
				args = append(args, fmt.Sprintf("%s@%d", a.Text, a.From))
				if at := string([]rune(test.text)[a.From:]); !strings.HasPrefix(at, a.Text) {
					t.Errorf("%s: argument %q is not at %d", test.text, a.Text, a.From)
				}
			}
			got = fmt.Sprintf("%s@%d %v", c.Name, c.From, args)
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

// An error inside of an argument points into the whole call.
func TestShift(t *testing.T) {
	c, err := ParseCall(`sum(1 + prise)`)
	if err != nil {
		t.Fatal(err)
	}
	_, cerr := compile(c.Args[0].Text, mustSchema(t, "price int64"), Options{})
	if e := cerr.Shift(c.Args[0].From); e.From != 8 || e.To != 13 {
		t.Errorf("the unknown column is at [%d,%d), not [8,13)", e.From, e.To)
	}
}
