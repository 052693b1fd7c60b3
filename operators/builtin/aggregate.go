package builtin

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func init() { operators.Register(aggregateSpec) }

// Columns that a window adds.
const (
	windowStart = "window_start"
	windowEnd   = "window_end"
)

// aggregateStateVersion is raised when the state of equal layouts changes its meaning.
const aggregateStateVersion = 1

var aggregateSpec = &operators.Spec{
	Name:    "aggregate",
	Summary: "Computes one row per key and event-time window.",
	Doc:     aggregateDoc(),
	Fields: []spec.Field{
		{Name: "by", Type: spec.Names, Doc: "the columns whose values make the key; without them there is one key", Example: "[ad]"},
		{Name: "window", Type: spec.Mapping, Required: true, Fields: windowFields, Doc: "how event time is cut", Example: "{tumbling: 1m, lateness: 10s}"},
		{Name: "compute", Type: spec.ExprMap, Required: true, Doc: "column name: aggregate function of an expression", Example: "{clicks: count(), spend: sum(spend)}"},
		{Name: "emit", Type: spec.Enum, Values: []string{"on_close"}, Default: "on_close", Doc: "when results leave: once, when their window is final"},
	},
	Example: `per_ad_minute:
  from: spend
  aggregate:
    by: [ad]
    window: {tumbling: 1m, lateness: 10s}
    compute: {clicks: count(), spend: sum(spend)}
`,
	Plan: planAggregate,
}

func aggregateDoc() string {
	var doc strings.Builder
	doc.WriteString(`The rows of a window with equal values of ` + "`by`" + ` become one row: these columns,
` + "`window_start`" + ` and ` + "`window_end`" + ` (the window is from the start up to, not including, the end),
and what ` + "`compute`" + ` names. Its event time is the last microsecond of the window. Nulls
and NaNs of ` + "`by`" + ` are keys like any other; -0 and 0 are one.

Windows begin at multiples of their length (or slide) since 1970-01-01T00:00:00Z. A
window is final, and its rows leave in the order of the key, once the watermark has
reached its end plus ` + "`lateness`" + `. A row that comes when the first window that contains
it is final goes to the ` + "`late`" + ` port. A window without rows gives no row.

Functions:

`)
	for _, f := range functions {
		arg := "x"
		if f == countFunction {
			arg = ""
		}
		fmt.Fprintf(&doc, "- `%s(%s)`: %s.\n", f.name, arg, f.doc)
	}
	doc.WriteString(`
The result does not depend on the order of rows, on batches or on restarts, not even
in the last bit of a float. A result that does not exist (an integer sum beyond
int64) goes to the errors port with its key and window.
`)
	return doc.String()
}

func planAggregate(in operators.PlanInput) (*operators.Plan, error) {
	schema := in.Inputs[0]
	by, faults := planBy(in.Config.Get("by"), schema)
	w, err := planWindows(in.Config.Get("window"))
	if err != nil {
		faults = collect(faults, err)
	}
	compute, err := planCompute(in.Config.Get("compute"), schema)
	if err != nil {
		faults = append(faults, all(err)...)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	output, err := resultSchema(in.Config.Get("compute"), by, w, compute)
	if err != nil {
		return nil, err
	}
	key := make([]string, len(by))
	for i, c := range by {
		key[i] = c.Name
	}
	plan := &operators.Plan{
		Output:         output,
		Columns:        [][]string{columnsOf(schema, compute.programs, key...)},
		Class:          operators.Exact,
		MayFail:        compute.mayFail || anyMayFail(compute.programs),
		Key:            [][]string{key},
		Timing:         &operators.Timing{FirstEnd: w.firstEnd, Lateness: w.lateness, Hold: w.lateness},
		StateVersion:   aggregateStateVersion,
		StateLayout:    stateLayout(by, w, compute),
		KeepsEventTime: true,
		New:            func() (operators.Operator, error) { return newAggregate(output, by, w, compute), nil },
	}
	for _, p := range compute.programs {
		plan.Notes = append(plan.Notes, note("argument", p))
	}
	return plan, nil
}

// all is the faults in an error of this package.
func all(err error) spec.Errors {
	if many, ok := err.(spec.Errors); ok {
		return many
	}
	return collect(nil, err)
}

// planBy checks the key's columns.
func planBy(v spec.Value, schema *columnar.Schema) (by []columnar.Column, faults spec.Errors) {
	seen := map[string]bool{}
	for _, name := range v.Names {
		i := schema.Index(name.Text)
		switch {
		case i < 0:
			e := spec.Errorf(name.Pos, "unknown-column", "there is no column %q", name.Text)
			e.Hint = spec.DidYouMean(name.Text, schema.Names())
			faults = append(faults, e)
		case seen[name.Text]:
			faults = append(faults, spec.Errorf(name.Pos, "duplicate", "column %q appears twice", name.Text))
		case schema.Columns[i].Type.Kind == columnar.JSON:
			e := spec.Errorf(name.Pos, "type-mismatch", "column %q is json, whose text may differ for equal values, and cannot be a key", name.Text)
			e.Hint = "take a value out of it with map first"
			faults = append(faults, e)
		default:
			by = append(by, schema.Columns[i])
		}
		seen[name.Text] = true
	}
	return by, faults
}

// resultSchema is the key, the window and what is computed.
func resultSchema(compute spec.Value, by []columnar.Column, w windows, c *computation) (*columnar.Schema, error) {
	unit := columnar.Millisecond
	if w.slide%1000 != 0 {
		unit = columnar.Microsecond
	}
	columns := append([]columnar.Column{}, by...)
	columns = append(columns,
		columnar.Column{Name: windowStart, Type: columnar.Type{Kind: columnar.Timestamp, Unit: unit}},
		columnar.Column{Name: windowEnd, Type: columnar.Type{Kind: columnar.Timestamp, Unit: unit}})
	taken := map[string]string{windowStart: "the window", windowEnd: "the window"}
	for _, b := range by {
		if b.Name == windowStart || b.Name == windowEnd {
			e := spec.Errorf(compute.Pos, "duplicate", "the key has a column %q, which the window adds", b.Name)
			e.Hint = "rename it with map first"
			return nil, e
		}
		taken[b.Name] = "the key"
	}
	for i, entry := range compute.Map {
		if owner, dup := taken[entry.Key]; dup {
			return nil, spec.Errorf(entry.Pos, "duplicate", "column %q is taken by %s", entry.Key, owner)
		}
		taken[entry.Key] = "compute"
		columns = append(columns, c.columns[i])
	}
	return columnar.NewSchema(columns...)
}

// stateLayout names everything that the state's meaning hangs on.
func stateLayout(by []columnar.Column, w windows, c *computation) string {
	key := make([]string, len(by))
	for i, b := range by {
		key[i] = b.Name + ": " + b.Type.Kind.String()
	}
	return fmt.Sprintf("by {%s} %s compute %s", strings.Join(key, ", "), w, strings.Join(c.notes, ", "))
}
