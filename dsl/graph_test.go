package dsl

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func parseGood(t *testing.T, text string) *Graph {
	t.Helper()
	g, err := Parse("test.yaml", []byte(text), testCatalog())
	if err != nil {
		t.Fatalf("refused:\n%v", err)
	}
	return g
}

func (g *Graph) node(t *testing.T, k Kind, name string) *Node {
	t.Helper()
	for _, n := range g.Nodes {
		if n.Kind == k && n.Name == name {
			return n
		}
	}
	t.Fatalf("no %s %s", k, name)
	return nil
}

const clicks = `
sources:
  clicks:
    topic: ad-clicks
    schema: {ad: string, kind: string, price: int64, user: string, at: timestamp(ms)}
    event_time: {field: at, out_of_order: 5s}
`

func TestNodesAreInTopologicalOrder(t *testing.T) {
	for path, g := range goodFiles(t) {
		seen := map[*Node]bool{}
		for _, n := range g.Nodes {
			for _, edges := range n.Inputs {
				for _, e := range edges {
					if e.From != nil && !seen[e.From] {
						t.Errorf("%s: %s stands before %s, which it reads", path, n.Name, e.From.Name)
					}
				}
			}
			seen[n] = true
		}
	}
}

func TestDefaults(t *testing.T) {
	g := parseGood(t, "pipeline: ads"+clicks+"sinks:\n  out: {from: clicks, topic: out}\n")
	want := Options{StatePartitions: 16, EpochMax: 200 * time.Millisecond, UncommittedMaxBytes: 64 << 20, Checkpoint: 10 * time.Second, StateMemory: 256 << 20}
	if g.Options != want {
		t.Errorf("options are %+v, not %+v", g.Options, want)
	}
	et := g.node(t, Source, "clicks").EventTime
	if et.OutOfOrder != 5*time.Second || et.Idle != 30*time.Second || et.MaxAhead != 0 || et.Field != "at" || et.Program != nil {
		t.Errorf("event time is %+v", et)
	}
	if f := g.node(t, Sink, "out").Format; f.Name != "json" {
		t.Errorf("the sink's format is %q", f.Name)
	}
}

// What a source decodes is what is read downstream of it, and nothing else.
func TestWant(t *testing.T) {
	for _, c := range []struct{ name, rest, want string }{
		{"a sink reads everything", "sinks:\n  out: {from: clicks, topic: out}\n", "all"},
		{"a filter hands on what it does not read", "operators:\n  f: {from: clicks, filter: price > 1}\nsinks:\n  out: {from: f, topic: out}\n", "all"},
		{"a map reads what its expressions name", "operators:\n  m: {from: clicks, map: {ad: ad}}\nsinks:\n  out: {from: m, topic: out}\n", "ad at"},
		{"through a filter to a map", "operators:\n  f: {from: clicks, filter: price > 1}\n  m: {from: f, map: {u: user}}\nsinks:\n  out: {from: m, topic: out}\n", "price user at"},
		{"to an aggregate", "operators:\n  a: {from: clicks, aggregate: {by: ad, window: 1m, compute: {n: count()}}}\nsinks:\n  out: {from: a, topic: out}\n", "ad at"},
		{"late rows leave whole", "operators:\n  a: {from: clicks, aggregate: {by: ad, window: 1m, compute: {n: count()}}}\nsinks:\n  out: {from: a, topic: out}\n  late: {from: a.late, topic: late}\n", "all"},
		{"late rows through a map", "operators:\n  a: {from: clicks, aggregate: {by: ad, window: 1m, compute: {n: count()}}}\n  m: {from: a.late, map: {k: kind}}\nsinks:\n  out: {from: a, topic: out}\n  late: {from: m, topic: late}\n", "ad kind at"},
		{"two readers", "operators:\n  m: {from: clicks, map: {a: ad}}\n  n: {from: clicks, map: {k: kind}}\nsinks:\n  out: {from: m, topic: out}\n  more: {from: n, topic: out}\n", "ad kind at"},
		{"error rows ask for nothing", "operators:\n  m: {from: clicks, map: {a: ad}}\nsinks:\n  out: {from: m, topic: out}\n  bad: {from: clicks.errors, topic: bad}\n", "ad at"},
		{"a port of the operator's", "operators:\n  s: {from: clicks, split: price > 1}\n  m: {from: s.rest, map: {u: user}}\nsinks:\n  out: {from: m, topic: out}\n", "price user at"},
		{"nothing but the event time", "operators:\n  a: {from: clicks, aggregate: {window: 1m, compute: {n: count()}}}\nsinks:\n  out: {from: a, topic: out}\n", "at"},
	} {
		n := parseGood(t, "pipeline: ads"+clicks+c.rest).node(t, Source, "clicks")
		got := strings.Join(n.Want, " ")
		if n.Want == nil {
			got = "all"
		}
		if got != c.want {
			t.Errorf("%s: the source decodes %s, not %s", c.name, got, c.want)
		}
	}
}

func TestWantWithoutEventTime(t *testing.T) {
	g := parseGood(t, "pipeline: ads\nsources:\n  clicks: {topic: t, schema: {a: int64, b: int64}}\n  idle: {topic: u, schema: {a: int64}}\noperators:\n  m: {from: clicks, map: {b: b}}\nsinks:\n  out: {from: m, topic: out}\n")
	if got := g.node(t, Source, "clicks").Want; !slices.Equal(got, []string{"b"}) {
		t.Errorf("the source decodes %v", got)
	}
	if got := g.node(t, Source, "idle").Want; got == nil || len(got) != 0 {
		t.Errorf("a source that nothing reads decodes %#v, not nothing", got)
	}
}

func TestNeedPos(t *testing.T) {
	g := parseGood(t, "pipeline: ads"+clicks+`
operators:
  f: {from: clicks, filter: price > 1}
  a: {from: f, aggregate: {by: ad, window: 1m, compute: {n: count()}}}
  g: {from: a, filter: n > 1}
  b: {from: clicks, map: {ad: ad, at: at}}
  c: {from: b, aggregate: {by: ad, window: 1m, compute: {n: count()}}}
sinks:
  out: {from: g, topic: out}
  more: {from: c, topic: out}
  late: {from: c.late, topic: late}
`)
	for name, want := range map[string]bool{
		"clicks": true,  // b may fail on its rows
		"f":      false, // neither a nor anything up to a's exchange may fail
		"a":      true,  // the sink may fail; positions are the engine's not to find
		"b":      true,  // c's late rows go to a sink, which may fail
	} {
		k := Operator
		if name == "clicks" {
			k = Source
		}
		if got := g.node(t, k, name).NeedPos; got != want {
			t.Errorf("%s: NeedPos is %v", name, got)
		}
	}
}

func TestLatenessIsDecidedOnce(t *testing.T) {
	g := parseGood(t, "pipeline: ads"+clicks+`
operators:
  minutes: {from: clicks, aggregate: {by: [ad, user], window: {tumbling: 1m, lateness: 5s}, compute: {n: count()}}}
  hours: {from: minutes, aggregate: {by: ad, window: {tumbling: 1h, lateness: 0s}, compute: {n: count()}}}
sinks:
  out: {from: hours, topic: out}
`)
	if !g.node(t, Operator, "minutes").DecidesLate {
		t.Error("the first windowed operator does not decide lateness")
	}
	if g.node(t, Operator, "hours").DecidesLate {
		t.Error("the second windowed operator decides lateness again")
	}
	if !g.node(t, Operator, "hours").HasEventTime {
		t.Error("results of a window have no event time")
	}
}

// A row that fails is never lost unless somebody said so.
func TestPolicies(t *testing.T) {
	for _, c := range []struct {
		name, top, source, sinks string
		source1, sink1           Action
	}{
		{"nothing said, nothing read", "", "", "", Fail, Fail},
		{"nothing said, errors read", "", "", "  e: {from: errors, topic: e}\n", Route, Route},
		{"only the source's own port is read", "", "", "  e: {from: clicks.errors, topic: e}\n", Route, Fail},
		{"the pipeline drops", "on_error: drop\n", "", "", Drop, Drop},
		{"the node wins", "on_error: drop\n", "    on_error: fail\n", "", Fail, Drop},
		{"the pipeline's wins over what is read", "on_error: fail\n", "", "  e: {from: errors, topic: e}\n", Fail, Fail},
	} {
		g := parseGood(t, "pipeline: ads\n"+c.top+strings.TrimPrefix(clicks, "\n")+c.source+"sinks:\n  out: {from: clicks, topic: out}\n"+c.sinks)
		if got := g.node(t, Source, "clicks").OnError.Action; got != c.source1 {
			t.Errorf("%s: the source's failing rows %s", c.name, got)
		}
		if got := g.node(t, Sink, "out").OnError.Action; got != c.sink1 {
			t.Errorf("%s: the sink's failing rows %s", c.name, got)
		}
		if strings.Contains(c.sinks, "e:") {
			if got := g.node(t, Sink, "e").OnError.Action; got != Fail && got != Drop {
				t.Errorf("%s: the error sink's own failing rows %s", c.name, got)
			}
		}
	}
}

func TestShapes(t *testing.T) {
	g := goodFiles(t)["testdata/good/shapes"]
	a, b := g.node(t, Source, "a"), g.node(t, Source, "b")
	if got := a.Config.Get("name").Text; got != "ad-clicks" {
		t.Errorf("${TOPIC} is %q", got)
	}
	if got := b.Config.Get("name").Text; got != "${TOPIC}" {
		t.Errorf("${{TOPIC}} is %q", got)
	}
	if got := b.Format.Config.Get("separator").Text; got != "\t" {
		t.Errorf("the separator is %q", got)
	}
	if got := a.Format.Config.Get("separator").Text; got != ";" {
		t.Errorf("the separator by shorthand is %q", got)
	}
	want := "kind == \"click\" and\n  kind in [\"${KIND}\", \"view\", \"\"]\n"
	if got := g.node(t, Operator, "merged").Config.Get("where").Text; got != want {
		t.Errorf("the expression is %q", got)
	}
	if et := b.EventTime; et.Program == nil && et.Expr.Text != "at" {
		t.Errorf("the event time's expression is %q", et.Expr.Text)
	}
	if p := a.OnError; p.Action != Route || p.MaxRate != 0.5 {
		t.Errorf("the policy is %+v", p)
	}
	if got := g.node(t, Operator, "joined"); len(got.Inputs) != 2 || got.Parallelism != 3 {
		t.Errorf("joined has %d inputs and parallelism %d", len(got.Inputs), got.Parallelism)
	}
}
