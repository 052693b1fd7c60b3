// Package operators is the contract of everything that stands between a source
// and a sink: what an operator declares (Spec, Plan), what it does (Operator),
// and how it is found (Registry).
//
// An operator is one file that registers one Spec. Parsing, checking, defaults,
// documentation and the JSON Schema of its YAML all come from that Spec. The
// built-in ones are in operators/builtin; examples/custom-operator shows one
// that is not.
package operators

import (
	"time"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
	"github.com/millrace/millrace/statestore"
)

// Class is an operator's determinism: what is the same under any interleaving
// of partitions, batch size, crash, rescale or replay. A pipeline has the
// weakest class of its nodes.
type Class uint8

// The classes, strongest first.
const (
	// Exact: the same rows.
	Exact Class = iota
	// Convergent: the last value of each key is the same.
	Convergent
	// Arrival: depends on the order of arrival, or is not declared.
	Arrival
)

func (c Class) String() string { return [...]string{"exact", "convergent", "arrival"}[c] }

// Spec declares an operator. It is the single source of parsing, checking,
// defaults, documentation and schema for its verb.
type Spec struct {
	Name    string       // the verb in YAML
	Summary string       // one sentence
	Doc     string       // Markdown, may be long
	Fields  []spec.Field // what stands under the verb
	Inputs  []string     // named inputs for `from: {left: a}`; nil means one unnamed input
	Example string       // YAML of one node, shown in the docs and parsed by a test

	// Plan checks the configuration against the input schemas and says what the
	// operator will be. It must not have effects. Faults are returned as
	// *spec.Error (or spec.Errors), so that they carry a position.
	Plan func(PlanInput) (*Plan, error)
}

// PlanInput is what Plan may look at.
type PlanInput struct {
	Name      string             // the node's name
	Inputs    []*columnar.Schema // in the order of Spec.Inputs
	EventTime []bool             // whether each input carries event time
	Config    spec.Config
}

// Plan is a checked operator, ready to be instantiated any number of times.
type Plan struct {
	Output  *columnar.Schema            // schema of the main port
	Ports   map[string]*columnar.Schema // further ports; "late" and "errors" are the engine's
	Columns [][]string                  // per input, the columns that are read; nil means all
	// PassesThrough says that output rows are input rows (Output is the input's
	// schema): besides Columns, an input column is then needed exactly if something
	// downstream needs the output's column of that name.
	PassesThrough bool
	Class         Class
	MayFail       bool   // whether Process may report row errors
	Notes         []Note // for explain: one per expression

	// Key names, per input, the columns whose values the rows are grouped by; the
	// engine exchanges rows so that equal keys meet in one instance. Nil means
	// stateless: an instance per source partition or task, wherever it stands.
	// An empty non-nil list means one global key.
	Key [][]string

	// Timing of a keyed operator over event time; nil if it does not use it.
	Timing *Timing

	// StateVersion and StateLayout identify the state's format: a change of either
	// makes old state unusable without Migrate.
	StateVersion int
	StateLayout  string

	// KeepsEventTime says that output rows keep the event time of an input row
	// (filter, map) or get one from the operator (aggregate on_close: end - 1).
	KeepsEventTime bool

	// New makes an instance. It is called once per task, and again after an abort.
	New func() (Operator, error)
}

// Note is a line of explain about one expression.
type Note struct {
	Text string // "filter: kind == \"click\""
	Mode string // "columns" or "rows"
}

// Timing is how a keyed operator uses event time. All values are microseconds.
type Timing struct {
	// FirstEnd is the earliest exclusive end of any result that could hold a row
	// with event time t. The engine accepts the row if its source partition's
	// watermark before it is below FirstEnd(t)+Lateness; otherwise it is late.
	// Monotonic in t.
	FirstEnd func(t int64) int64
	Lateness int64
	// Hold is subtracted from the watermark that is passed downstream.
	Hold int64
}

// Operator is one running instance. All calls come from one goroutine.
//
// A returned error, like a panic, aborts the epoch; the engine then replays the
// epoch row by row to find the row, and routes that row to the error port.
// Nothing of a batch, nor of what Context lends, is kept after a call returns.
type Operator interface {
	// Open is called once, before anything else. State from an earlier epoch is
	// already in place.
	Open(ctx *Context) error
	// Process takes the rows of one batch from the given input.
	Process(input int, b *columnar.Batch, out Output) error
	// Timer is called for each timer set through Context.State whose time is <=
	// the watermark, in (time, key) order, before Watermark.
	Timer(partition int32, key []byte, t int64, out Output) error
	// Watermark says that no row with event time < t will follow. t only rises;
	// columnar.MaxTime means the end of all input. What the operator emits here
	// leaves before the watermark does.
	Watermark(t int64, out Output) error
	// Close releases what Open took. It is also called after an abort.
	Close() error
}

// Context is what an instance may use for its whole life.
type Context struct {
	Name  string           // the node's name
	State *statestore.View // state of this operator in this task; nil for stateless ones
}

// Output takes what an operator produces. A batch is lent for the call.
type Output interface {
	// Emit sends rows out of the main port.
	Emit(b *columnar.Batch) error
	// EmitTo sends rows out of a further port that Plan.Ports declared.
	EmitTo(port string, b *columnar.Batch) error
	// RowError sends row (a physical index into b, the batch that Process was
	// given) to the error port with its cause. The row is otherwise dropped. From
	// Timer and Watermark b is instead a batch of the Output schema, with the result
	// that cannot be made; what is missing in it is null.
	RowError(b *columnar.Batch, row int32, cause error)
}

// Tick is the smallest step of event time.
const Tick = time.Microsecond
