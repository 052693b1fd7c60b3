package dsl

import (
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/expr"
	"github.com/millrace/millrace/operators/spec"
)

// Graph is a checked pipeline: data that the engine runs and explain prints. It
// is immutable once Parse has returned it.
//
// Invariants:
//  1. Nodes is in topological order: every Edge points to an earlier node.
//  2. Every source has a Source, every operator an Op, every sink a Sink.
//  3. A name is unique among sources and operators; sinks have names of their
//     own. Names have no dots.
//  4. At least one source and one sink exist.
//  5. A topic has one source at most: a group has one offset per partition.
//  6. No late rows reach an operator with Timing again.
type Graph struct {
	Name        string // [a-z0-9][a-z0-9_-]*, at most 100 characters
	Description string
	Path        string // the file it was read from, as given
	Nodes       []*Node
	Options     Options
	OnError     Policy // the pipeline's own; nodes carry theirs
	Tests       []Test // checked for names, not run
}

// Kind is where a node stands.
type Kind uint8

// The kinds of node.
const (
	Source Kind = iota
	Operator
	Sink
)

func (k Kind) String() string { return [...]string{"source", "operator", "sink"}[k] }

// Node is one source, operator or sink.
type Node struct {
	Name        string
	Kind        Kind
	Verb        string // the registered name: topic, filter, stdout
	Pos         spec.Pos
	Description string
	Was         string // the name it had before, so that it keeps its state; "" if none
	Parallelism int    // tasks; 0 leaves it to the engine
	OnError     Policy // the node's own or the pipeline's; Action is always settled

	// Inputs are the edges that end here, per input of the verb (sources have
	// none, sinks one). Several edges on one input merge rows of equal schema.
	Inputs [][]Edge

	Config spec.Config
	Format connectors.Format // of sources and sinks; zero where the verb has none

	// Schema is that of the main port; for a sink that of the rows that arrive.
	Schema *columnar.Schema
	// Ports are the schemas of the further ports, by name: "errors" on sources
	// and operators, "late" on operators, and what Op.Ports declares.
	Ports map[string]*columnar.Schema
	// HasEventTime says whether rows of the main port (for a sink: rows that
	// arrive) carry event time.
	HasEventTime bool
	// EventTime is how a source's rows get theirs; nil if they get none.
	EventTime *EventTime
	// DecidesLate says that this is the first operator with Timing on the path of
	// its rows: rows are divided into accepted and late here, by Batch.Before, and
	// nowhere further down.
	DecidesLate bool

	// Want lists the columns of a source that anything downstream reads, in schema
	// order, its event time included; nil means all.
	Want []string
	// NeedPos says that batches on the node's main port must keep Batch.Pos,
	// because a node further down, before the next exchange, may fail on a row.
	NeedPos bool

	// Key are the columns of a sink's common key `key`, checked to exist.
	Key []spec.Value

	Source *connectors.SourcePlan
	Op     *operators.Plan
	Sink   *connectors.SinkPlan
}

// Edge is where an input's rows come from.
type Edge struct {
	// From is the node; nil is the pipeline's own port `errors`, which gathers the
	// error rows of every node whose own port `<name>.errors` nobody reads.
	From *Node
	// Port is "" for the main port, "late", "errors" or a port of the operator.
	Port string
}

// EventTime says how a source's rows get their event time and how far it is to
// be trusted.
type EventTime struct {
	Pos spec.Pos
	// Field is the timestamp column that holds it; "" if Expr gives it. A row
	// without one (null) is an error row.
	Field string
	// Expr is an expression of type timestamp over the source's columns; Program is
	// what it compiles to. Nil if Field gives the event time.
	Expr    spec.Value
	Program *expr.Program
	// OutOfOrder is how far rows may lag behind the highest event time seen
	// without being late.
	OutOfOrder time.Duration
	// Idle is how long a split must have been at its end before its watermark
	// advances with the clock; 0 is `never`.
	Idle time.Duration
	// MaxAhead is how far event time may lie after the record's own log timestamp
	// before the row is an error; 0 means no limit.
	MaxAhead time.Duration

	// Stated and IdleStated say that the file gives OutOfOrder and Idle, for lint.
	Stated, IdleStated bool
}

// Action is what happens to a row that fails.
type Action uint8

// The actions.
const (
	Fail  Action = iota // stop the pipeline, naming the row
	Route               // send it to the error port
	Drop                // count it and go on
)

func (a Action) String() string { return [...]string{"fail", "route", "drop"}[a] }

// Policy is what happens to rows that fail at a node.
type Policy struct {
	Action Action
	// MaxRate is the share of a node's rows, 0 to 1, that may fail before the
	// pipeline stops. It is measured over all rows of the node since the start of
	// the run, once there were PolicyMinRows. 0 means no limit.
	MaxRate float64
}

// PolicyMinRows is how many rows a node must have seen before Policy.MaxRate is
// applied: below it one bad row would be too large a share.
const PolicyMinRows = 1000

// Options are the pipeline's `options`, defaults filled in.
type Options struct {
	StatePartitions     int           // keys hash into so many; fixed for the pipeline's life
	EpochMax            time.Duration // an epoch is committed at the latest after this
	UncommittedMaxBytes int64         // or when it has produced so many bytes
	Checkpoint          time.Duration // how often state is written back
	StateMemory         int64         // bytes of live state per worker
	MaxSkew             time.Duration // how far a split may run ahead in event time; 0 is no limit
}
