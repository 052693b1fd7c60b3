package expr

import (
	"fmt"
	"math/rand"
	"strings"
)

// generator writes random expressions of a wanted kind over randomColumns.
type generator struct {
	r    *rand.Rand
	tame bool // only what expr's virtual machine computes the same way
	lets int
	vars map[kind][]string
}

// gen is an expression of kind k with at most depth levels below it.
func (g *generator) gen(k kind, depth int) string {
	if depth <= 0 {
		return g.leaf(k)
	}
	if n := g.r.Intn(12); n < 3 {
		return g.shared(k, n, depth-1)
	}
	forms := wildForms[k]
	if g.tame {
		forms = tameForms[k]
	}
	if len(forms) == 0 {
		return g.leaf(k)
	}
	return g.fill(pick(g.r, forms), depth-1)
}

// fill replaces the holes of a form: @i is an integer expression, and so on.
func (g *generator) fill(form string, depth int) string {
	kinds := map[byte]kind{'b': kBool, 'i': kInt, 'f': kFloat, 's': kString, 'y': kBytes, 't': kTime, 'd': kDuration, 'j': kJSON}
	var out strings.Builder
	for i := 0; i < len(form); i++ {
		if form[i] == '@' {
			i++
			out.WriteString("(" + g.gen(kinds[form[i]], depth) + ")")
			continue
		}
		out.WriteByte(form[i])
	}
	return out.String()
}

// shared are the forms that every kind has.
func (g *generator) shared(k kind, n, depth int) string {
	switch {
	case n == 0:
		return fmt.Sprintf("if %s {%s} else {%s}", g.gen(kBool, depth), g.gen(k, depth), g.gen(k, depth))
	case n == 1 && !g.tame:
		return fmt.Sprintf("((%s) ?? (%s))", g.gen(k, depth), g.gen(k, depth))
	case n == 2 && !g.tame && g.lets < 3:
		g.lets++
		name := fmt.Sprintf("v%d", g.lets)
		val := g.gen(k, depth)
		g.vars[k] = append(g.vars[k], name)
		body := g.gen(k, depth)
		g.vars[k] = g.vars[k][:len(g.vars[k])-1]
		return fmt.Sprintf("(let %s = %s; %s)", name, val, body)
	}
	return g.leaf(k)
}

var leaves = map[kind][]string{
	kBool: {"b", "c", "bn", "true", "false"}, kInt: {"i", "j", "im", "0", "1", "3", "-2", "1000003", "9223372036854775807"},
	kFloat: {"f", "g", "fn", "0.0", "1.5", "-0.25", "1e6", "1e300"}, kString: {"s", "u", "sn", `"a"`, `"abc"`, `""`, `"longer than eight bytes"`, `"12345678"`, `"é"`},
	kBytes: {"y", "yn", `b"a"`}, kTime: {"at", "to", "atn", `timestamp("2026-01-02T03:04:05Z")`},
	kDuration: {`duration("5m")`, `duration("-1us")`, `duration(i)`, `(at - to)`}, kJSON: {"p", "pn", "p.a", "pn.c[0]", `p["b"]`},
}

var tameLeaves = map[kind][]string{
	kBool: {"b", "c", "true", "false"}, kInt: {"i", "j", "0", "1", "3", "-2"}, kFloat: {"f", "g", "0.5", "-0.25", "2.0"},
	kString: {"s", "u", `"a"`, `"abc"`, `""`},
}

func (g *generator) leaf(k kind) string {
	if vars := g.vars[k]; len(vars) > 0 && g.r.Intn(2) == 0 {
		return pick(g.r, vars)
	}
	if g.tame {
		return pick(g.r, tameLeaves[k])
	}
	return pick(g.r, leaves[k])
}

// tameForms mean the same in expr's virtual machine.
var tameForms = map[kind][]string{
	kBool: {"@i == @i", "@i != @i", "@i < @i", "@i <= @i", "@i > 3", "2 >= @i", "@f < @f", "@f >= @f", "@f == @i", "@i > @f", "@i <= 1.5", "@f != 0.5",
		"@s == @s", `@s == "abc"`, `@s != "a"`, "@s < @s", "@b and @b", "@b or @b", "not @b", "@b == @b", "@i in [1, 2, 3]", "@i not in [1, @i]", `@s in ["a", "abc", ""]`,
		"@i in 1..5", "@s contains @s", "@s startsWith @s", "@s not endsWith @s", `@s matches "^[a-c]+$"`, "hasPrefix(@s, @s)", "hasSuffix(@s, @s)"},
	kInt: {"@i + @i", "@i - @i", "@i * @i", "-@i", "@i % 7", "len(@s)", "abs(@i)", "int(@f)", "min(@i, @i)", "max(@i, 3)", "int(@i)"},
	kFloat: {"@f + @f", "@f - @f", "@f * @f", "@f / 4.0", "@i / 8", "@f + @i", "2 * @f", "-@f", "abs(@f)", "ceil(@f)", "floor(@f)", "round(@f)",
		"float(@i)", "min(@f, @f)", "max(@f, @f)", "@f / @f", "@i ^ 2"},
	kString: {"@s + @s", "lower(@s)", "upper(@s)", "trim(@s)", `trimPrefix(@s, "a")`, "trimSuffix(@s, @s)", "string(@i)", `replace(@s, "a", "xy")`, "repeat(@s, 2)", `split(@s, ",")[0]`, `trim(@s, "a")`},
}

// wildForms is everything, and holds every function at least once.
var wildForms = map[kind][]string{
	kBool: append([]string{"@i == nil", "@f != nil", "@s == nil", "@b != nil", "@j.a == nil", "@t < @t", "@t == @t", "@d >= @d", "@y == @y", `@y != b"a"`, "@y < @y",
		"is_nan(@f)", "bool(@s)", "bool(@j)", "bool(@b)", "@i == 9007199254740992.0", "@f > 9007199254740993", "@i < 1e300", "@i >= -0.5", `regex_match(@s, "a.c|[0-9]+")`, "1 < @i < 7",
		`@t in [timestamp("2026-01-02T03:04:05Z"), @t]`, "@f in [1, 1.5, @f]", "@b in [@b]", "@i in -3..@i", "@f in 0..3"}, tameForms[kBool]...),
	kInt: append([]string{"idiv(@i, @i)", "@i % @i", "int(@s)", "int(@b)", "int(@t)", "int(@d)", "int(@j)", "len(@y)", "len(@j)", "indexOf(@s, @s)", "lastIndexOf(@s, @s)", "hash(@s)", "hash(@y)",
		"year(@t)", "month(@t)", "day(@t)", "hour(@t)", "minute(@t)", "second(@t)", "weekday(@t)", `unix(@t, "s")`, `unix(@t, "us")`, "ceil(@i)", "floor(@i)", "round(@i)", "coalesce(im, @i, @i)", "min(@i, @i, 4)", "+@i"}, tameForms[kInt]...),
	kFloat: append([]string{"sqrt(@f)", "float(@s)", "float(@j)", "float(@f)", "@d / @d", "max(@i, @f)", "@f ** @f", "@i / @i", "1.0 / @f", "@f - 1e6"}, tameForms[kFloat]...),
	kString: append([]string{"concat(@s, @s, @s)", "substr(@s, @i)", "substr(@s, @i, @i)", "repeat(@s, @i)", "replace(@s, @s, @s)", "split(@s, @s)[@i]", "string(@f)", "string(@b)", "string(@t)", "string(@y)", "string(@j)", "string(@s)",
		`regex_extract(@s, "([a-z])=?")`, `regex_extract(@s, "(?P<k>[a-z])|(1)", "k")`, `regex_extract(@s, "b|c", 0)`, `format_time(@t, "2006-01-02 15:04")`, "min(@s, @s)", "trim(@s, @s)", "trimPrefix(@s, @s)"}, tameForms[kString]...),
	kBytes:    {"bytes(@s)", "bytes(@y)"},
	kTime:     {"@t + @d", "@d + @t", "@t - @d", `truncate(@t, "1h")`, `truncate(@t, duration("1d"))`, "truncate(@t, @d)", "timestamp(@s)", "timestamp(@t)", `from_unix(@i, "s")`, `from_unix(@i, "ns")`, `parse_time(@s, "Jan _2 15:04:05", 2025)`, "max(@t, @t)"},
	kDuration: {"@t - @t", "@d + @d", "@d - @d", "@d * @i", "@i * @d", "-@d", "abs(@d)", "duration(@i)", "min(@d, @d)"},
	kJSON:     {"@j.a", "@j[0]", "@j[-1]", "@j[@i]", "@j[@s]", "@j?.b", "fromJSON(@s)", "json(@j)"},
}
