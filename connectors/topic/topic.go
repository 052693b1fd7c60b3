// Package topic is the source and the sink `topic`: the log.
//
// The source moves raw record batches and decodes straight from their bytes into
// columns; a split is a partition, a position is the next offset. The sink's rows
// become records of the epoch's transaction.
package topic

import (
	"strings"
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators/spec"
)

func init() {
	connectors.RegisterSource(SourceSpec)
	connectors.RegisterSink(SinkSpec)
}

// formats are those in which a record's value is one row.
var formats = []string{"json", "csv", "lines"}

// nameField is the topic's name, the same for source and sink.
var nameField = spec.Field{Name: "name", Type: spec.String, Primary: true, Required: true, Doc: "the topic"}

// SourceSpec declares the source.
var SourceSpec = &connectors.SourceSpec{
	Name:    "topic",
	Summary: "Reads a topic of the log.",
	Doc: `Each partition is read in order, several side by side. Only committed records are read. The pipeline keeps its own
positions, in the consumer group named after it; ` + "`start`" + ` counts only for partitions that it has no position in. If retention has
removed what comes next, the pipeline stops and names the range that is lost.

The value of a record is one row in ` + "`format`" + `. A record without a value (a tombstone) is an error row.`,
	Fields: []spec.Field{
		nameField,
		{Name: "start", Type: spec.String, Default: "earliest", Example: "2026-01-01T00:00:00Z",
			Doc: "where a new pipeline begins: `earliest`, `latest`, or a time (RFC 3339): the first record at or after it"},
		{Name: "batch_rows", Type: spec.Int, Default: "4096", Min: "1", Max: "65536",
			Doc: "the most rows that travel together: smaller batches cost more per row"},
	},
	Formats: formats,
	Default: "json",
	Example: `clicks:
  topic: ad-clicks
  format: json
  schema: {ad: string, user: string, at: timestamp(ms)}
  event_time: {field: at, out_of_order: 5s}`,
	Plan: planSource,
}

// SinkSpec declares the sink.
var SinkSpec = &connectors.SinkSpec{
	Name:    "topic",
	Summary: "Writes rows to a topic of the log, exactly once.",
	Doc: `Rows are records of the same transaction that commits the pipeline's positions: a reader with
` + "`isolation.level=read_committed`" + ` sees each row once.

With ` + "`key`" + `, rows of equal keys go to the same partition, the one that Kafka's default partitioner (murmur2) chooses for the
record's key. The record's key is the text itself if ` + "`key`" + ` is one column of type string or bytes, the value as JSON if it is one
column of another type, and a JSON array of the values if it names several. A row whose only key column is null has no key.
Rows without a key go to one partition after the other, a batch at a time.

A record's timestamp is the row's event time, or the time of writing for rows without one.`,
	Fields:  []spec.Field{nameField},
	Formats: formats,
	Default: "json",
	Example: "minutes: {from: per_minute, topic: ad-minutes, key: ad, format: json}",
	Plan:    planSink,
}

func planSource(in connectors.SourceInput) (*connectors.SourcePlan, error) {
	f, fault := lookup(in.Format, in.Config)
	if fault != nil {
		return nil, fault
	}
	start, fault := parseStart(in.Config.Get("start"))
	if fault != nil {
		return nil, fault
	}
	name, fault := topicName(in.Config.Get("name"))
	if fault != nil {
		return nil, fault
	}
	schema, err := f.Schema(in.Schema, in.Format.Config)
	if err != nil {
		return nil, err
	}
	if _, err := f.NewDecoder(schema, nil, in.Format.Config); err != nil {
		return nil, err
	}
	return &connectors.SourcePlan{
		Schema: schema, Topic: name,
		New: func(env connectors.Env, want []string) (connectors.Source, error) {
			decoder := func() (codec.Decoder, error) { return f.NewDecoder(schema, want, in.Format.Config) }
			return newSource(env, in.Name, name, start, int(in.Config.Get("batch_rows").Int), decoder), nil
		},
	}, nil
}

func planSink(in connectors.SinkInput) (*connectors.SinkPlan, error) {
	f, fault := lookup(in.Format, in.Config)
	if fault != nil {
		return nil, fault
	}
	name, fault := topicName(in.Config.Get("name"))
	if fault != nil {
		return nil, fault
	}
	if _, err := f.NewEncoder(in.Schema, in.Format.Config); err != nil {
		return nil, err
	}
	keys := make([]string, len(in.Key))
	for i, k := range in.Key {
		keys[i] = k.Text
	}
	return &connectors.SinkPlan{
		Guarantee: connectors.ExactlyOnce, Topic: name,
		Log: func(connectors.Env) (connectors.LogSink, error) {
			e, err := f.NewEncoder(in.Schema, in.Format.Config)
			if err != nil {
				return nil, err
			}
			return newSink(name, e, in.Schema, keys), nil
		},
	}, nil
}

func lookup(f connectors.Format, cfg spec.Config) (*codec.Format, *spec.Error) {
	found, ok := codec.Lookup(f.Name)
	if !ok {
		return nil, spec.Errorf(cfg.Pos, "unknown-format", "there is no format %q", f.Name)
	}
	return found, nil
}

// maxNameLength is Kafka's bound on a topic's name, which is also a directory's.
const maxNameLength = 249

// topicName checks a name by Kafka's rules.
func topicName(v spec.Value) (string, *spec.Error) {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}
	name := v.Text
	switch i := strings.IndexFunc(name, bad); {
	case i >= 0:
		return "", spec.Errorf(v.At(len([]rune(name[:i]))), "topic-name", "a topic's name has letters, digits, and . _ - only, but %q has %q", name, []rune(name[i:])[0])
	case name == "" || name == "." || name == ".." || len(name) > maxNameLength:
		return "", spec.Errorf(v.Pos, "topic-name", "%q cannot be the name of a topic: 1 to %d characters, not . or ..", name, maxNameLength)
	}
	return name, nil
}

// start is where a partition without a position is read from.
type start struct {
	latest bool
	at     time.Time // zero: earliest, unless latest
}

func parseStart(v spec.Value) (start, *spec.Error) {
	switch v.Text {
	case "earliest":
		return start{}, nil
	case "latest":
		return start{latest: true}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, v.Text)
	if err != nil {
		e := spec.Errorf(v.Pos, "type-mismatch", "start is %q", v.Text)
		e.Hint = "write earliest, latest, or a time such as 2026-01-31T00:00:00Z"
		return start{}, e
	}
	return start{at: at}, nil
}
