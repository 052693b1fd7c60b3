// Package operatortest is the conformance suite for operators. An operator that
// passes it keeps the contract of package operators and has the class it declares:
//
//	func TestEwma(t *testing.T) {
//		operatortest.Test(t, operatortest.Case{
//			Spec:   ewmaSpec,
//			Config: operatortest.Config{"of": "price", "alpha": 0.5},
//			Schema: operatortest.Schema(t, "user: string, price: float64"),
//			Rows: []operatortest.Row{
//				{Values: []any{"ann", 10.0}, At: 1_000_000},
//				{Values: []any{"ann", 20.0}, At: 2_000_000},
//			},
//			Want: []string{`ann 10 10 @1000000`, `ann 20 15 @2000000`},
//		})
//	}
//
// The suite first runs the rows plainly, one batch at the end of which time ends, and
// compares with Want. Then it runs them many times over with everything changed that
// an engine may change: where batches begin and end; how the rows of different
// splits interleave (for class exact and convergent); how many instances share the
// keys; rows that are not selected and hold garbage; where the watermark advances;
// epochs that abort between any two calls and are replayed; instances that crash and
// are restored from the changelog, with and without a checkpoint. What is emitted must
// be the same: the same rows for class exact, the same last row per key for convergent,
// the same rows for an equal order of arrival for arrival.
//
// It also checks what no output shows: that a batch is not written to, that nothing of
// it is kept (it is overwritten after the call), that emitted batches are well formed,
// and that no result is behind the watermark that was passed on before it.
package operatortest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
)

var (
	seedFlag   = flag.Uint64("operatortest.seed", 0, "seed of the suite's random runs; 0 draws one")
	trialsFlag = flag.Int("operatortest.trials", 40, "random runs per case")
)

// Case is an operator, its configuration and the rows it gets.
type Case struct {
	Spec   *operators.Spec
	Config Config
	// Schema is of the one unnamed input; Schemas of several, in the order of
	// Spec.Inputs.
	Schema  *columnar.Schema
	Schemas []*columnar.Schema

	// Rows in the order in which each split has them; rows of one split may come from
	// anywhere in the list.
	Rows []Row
	// NoEventTime: the source declares none.
	NoEventTime bool
	// OutOfOrder is subtracted from a split's highest event time to make its watermark,
	// in microseconds.
	OutOfOrder int64

	// Want, if not nil, is what the plain run emits, in any order: per row its values
	// separated by blanks, nulls as "null", then "@" and the event time, with the
	// port in front if it is not the main one ("late: a 1 @5", "errors: ...").
	Want []string
}

// Row is one input row.
type Row struct {
	Values []any // nil, bool, int64 (or int), float64, string or []byte; a timestamp is int64 microseconds
	At     int64 // event time, microseconds
	Split  int32 // the source's split that it is in
	Input  int   // index into Spec.Inputs
}

// Test runs the suite.
func Test(t testing.TB, c Case) {
	t.Helper()
	plan := c.Plan(t)
	plain := runPlain(t, c, plan)
	if c.Want != nil {
		compareWant(t, plain, c.Want)
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i := range *trialsFlag {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		got := newTrial(t, c, plan, rng).run()
		if diff := compare(plan, plain, got); diff != "" {
			t.Fatalf("run %d of -operatortest.seed %d differs from the plain run:\n%s", i, seed, diff)
		}
		if t.Failed() {
			t.Fatalf("in run %d of -operatortest.seed %d", i, seed)
		}
	}
}

// Run is what the plain run emits, in order, in the form of Case.Want.
func Run(t testing.TB, c Case) []string {
	t.Helper()
	return runPlain(t, c, c.Plan(t)).texts()
}

// Plan plans the case's operator; a fault fails the test.
func (c Case) Plan(t testing.TB) *operators.Plan {
	t.Helper()
	p, err := c.TryPlan()
	if err != nil {
		t.Fatalf("plan %s: %v", c.Spec.Name, err)
	}
	return p
}

// TryPlan is Plan for tests of faults.
func (c Case) TryPlan() (*operators.Plan, error) {
	config, err := c.Config.build(c.Spec.Fields, "")
	if err != nil {
		return nil, err
	}
	schemas := c.schemas()
	in := operators.PlanInput{Name: "under_test", Inputs: schemas, Config: config}
	for range schemas {
		in.EventTime = append(in.EventTime, !c.NoEventTime)
	}
	p, err := c.Spec.Plan(in)
	if err != nil {
		return nil, err
	}
	if p.Output == nil || p.New == nil || p.Key != nil && len(p.Key) != len(schemas) {
		return nil, fmt.Errorf("the plan lacks an Output, a New, or a Key for every input")
	}
	for i, key := range p.Key {
		for _, name := range key {
			if schemas[i].Index(name) < 0 {
				return nil, fmt.Errorf("the plan's key has a column %q, which input %d has not", name, i)
			}
		}
	}
	return p, nil
}

func (c Case) schemas() []*columnar.Schema {
	if c.Schema != nil {
		return []*columnar.Schema{c.Schema}
	}
	return c.Schemas
}

// Schema reads "name: type, name: type" with the types of a pipeline's schema.
func Schema(t testing.TB, text string) *columnar.Schema {
	t.Helper()
	var columns []columnar.Column
	for _, part := range strings.Split(text, ",") {
		name, typ, ok := strings.Cut(part, ":")
		parsed, err := columnar.ParseType(strings.TrimSpace(typ))
		if !ok || err != nil {
			t.Fatalf("schema %q: %q: %v", text, part, err)
		}
		columns = append(columns, columnar.Column{Name: strings.TrimSpace(name), Type: parsed})
	}
	s, err := columnar.NewSchema(columns...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Contains says whether an error of TryPlan has the given fault among its lines, or
// one that ends with it.
func Contains(err error, fault string) bool {
	for _, line := range strings.Split(err.Error(), "\n") {
		if strings.HasSuffix(line, fault) {
			return true
		}
	}
	return false
}
