package dsl

import "github.com/millrace/millrace/operators/spec"

// The keys that belong to no verb. Like a verb's own they are declared once, and
// parsing, documentation and the JSON Schema are made from the declaration.

// topFields stand at the top of a file.
var topFields = []spec.Field{
	{Name: "pipeline", Type: spec.String, Required: true, Example: "ad_metrics",
		Doc: "The pipeline's name: lower-case letters, digits, `-` and `_`. State, positions and internal topics are kept under it, so a pipeline that is renamed starts anew."},
	{Name: "description", Type: spec.String, Doc: "What the pipeline is for."},
	{Name: "sources", Type: spec.Any, Required: true, Doc: "Where rows come from, by name."},
	{Name: "operators", Type: spec.Any, Doc: "What is done with them, by name. Sources and operators share one set of names."},
	{Name: "sinks", Type: spec.Any, Required: true, Doc: "Where rows go, by name. Sinks have names of their own."},
	{Name: "on_error", Type: spec.Mapping, Scalar: "action", Fields: policyFields,
		Doc: "What happens to a row that fails, at every node that does not say so itself. Without it a row goes to the error port if something reads that port, and else the pipeline stops."},
	{Name: "options", Type: spec.Mapping, Fields: optionFields, Doc: "How the pipeline is run."},
	{Name: "tests", Type: spec.Any, Doc: "Examples of input and expected output. Their names and columns are checked when the file is read; no command runs them yet."},
}

// commonField is a key of every node of the kinds that it names.
type commonField struct {
	spec.Field
	kinds [3]bool // by Kind
}

var (
	everywhere  = [3]bool{Source: true, Operator: true, Sink: true}
	onSources   = [3]bool{Source: true}
	onSinks     = [3]bool{Sink: true}
	endsOfGraph = [3]bool{Source: true, Sink: true}
	downstream  = [3]bool{Operator: true, Sink: true}
)

var commonFields = []commonField{
	{spec.Field{Name: "from", Type: spec.Any, Required: true, Example: "clicks",
		Doc: "Where the node's rows come from: a name, a list of names whose rows are merged, or for verbs with several inputs a mapping from input to name. `<name>.late` and `<name>.errors` are a node's other ports; a sink may also read `errors`, the error rows of the whole pipeline."}, downstream},
	{spec.Field{Name: "format", Type: spec.Any, Example: "json",
		Doc: "How rows are written as bytes: a format's name, or a mapping from its name to its options."}, endsOfGraph},
	{spec.Field{Name: "schema", Type: spec.StringMap, Example: "{ad: string, price: int64|null, at: timestamp(ms)}",
		Doc: "The columns and their types. `|null` makes a column nullable."}, onSources},
	{spec.Field{Name: "event_time", Type: spec.Mapping, Scalar: "field", Fields: eventTimeFields,
		Doc: "When a row's event happened, and how far that is to be trusted."}, onSources},
	{spec.Field{Name: "key", Type: spec.Names, Example: "ad",
		Doc: "The columns that make the key of a written record. Rows of equal key keep their order."}, onSinks},
	{spec.Field{Name: "on_error", Type: spec.Mapping, Scalar: "action", Fields: policyFields,
		Doc: "What happens to a row that fails here."}, everywhere},
	{spec.Field{Name: "parallelism", Type: spec.Int, Min: "1", Max: "1024",
		Doc: "The number of tasks. Without it the engine takes as many as there are cores."}, [3]bool{Operator: true}},
	{spec.Field{Name: "was", Type: spec.String,
		Doc: "The name that the node had before: it goes on with that one's state or positions."}, everywhere},
	{spec.Field{Name: "description", Type: spec.String, Doc: "What the node is for."}, everywhere},
}

// commonFor lists the common keys of a kind of node.
func commonFor(k Kind) []spec.Field {
	var fields []spec.Field
	for _, c := range commonFields {
		if c.kinds[k] {
			fields = append(fields, c.Field)
		}
	}
	return fields
}

// The words that stand in for a duration.
const (
	never     = "never"
	unlimited = "unlimited"
)

var eventTimeFields = []spec.Field{
	{Name: "field", Type: spec.String, Example: "at", Doc: "The timestamp column that holds it. Either `field` or `expr` is given."},
	{Name: "expr", Type: spec.Expr, Example: "at", Doc: "An expression over the source's columns whose value is a timestamp."},
	{Name: "out_of_order", Type: spec.Duration, Default: "0s", Example: "5s",
		Doc: "How far a row may lag behind the highest event time seen before it. The watermark stays that far behind; what lags further may be late."},
	{Name: "idle", Type: spec.Duration, Default: "30s", Min: "1s", Values: []string{never},
		Doc: "How long a partition must have been read to its end before its watermark goes on with the clock, so that a silent partition does not hold windows open. `never` takes the clock out of it."},
	{Name: "max_ahead", Type: spec.Duration, Default: unlimited, Values: []string{unlimited},
		Doc: "How far a row's event time may lie after the time at which the log stored it. A row further in the future fails, instead of closing every window up to then."},
}

var policyFields = []spec.Field{
	{Name: "action", Type: spec.Enum, Values: []string{"route", "drop", "fail"}, Required: true,
		Doc: "`route` sends the row to the node's error port, `drop` counts it and goes on, `fail` stops the pipeline."},
	{Name: "max_rate", Type: spec.Float, Min: "0", Max: "1", Example: "0.01",
		Doc: "The share of a node's rows that may fail before the pipeline stops all the same, once the node has seen 1000 rows. 0 means no limit."},
}

var optionFields = []spec.Field{
	{Name: "state_partitions", Type: spec.Int, Default: "16", Min: "1", Max: "1024",
		Doc: "How many parts the keys are divided into. It cannot change while the pipeline has state."},
	{Name: "epoch_max", Type: spec.Duration, Default: "200ms", Min: "5ms", Max: "1m",
		Doc: "How long results may wait for their commit. A quiet pipeline commits sooner."},
	{Name: "uncommitted_max_bytes", Type: spec.Size, Default: "64MiB", Min: "64KiB", Max: "4GiB",
		Doc: "How many bytes of results may wait for their commit."},
	{Name: "checkpoint", Type: spec.Duration, Default: "10s", Min: "100ms", Max: "10m",
		Doc: "How often state is written to disk. A restart replays what came after."},
	{Name: "state_memory", Type: spec.Size, Default: "256MiB", Min: "1MiB",
		Doc: "How much memory the live state may take."},
	{Name: "max_skew", Type: spec.Duration, Default: unlimited, Min: "1s", Values: []string{unlimited},
		Doc: "How far a source partition may run ahead of the slowest one in event time before it is paused, so that a backfill keeps few windows open."},
}
