// Package file reads and writes text files a row at a time: the source `file` and
// the sink `file`.
//
// A position in a file is the byte where the next row begins, with the number of
// rows before it. The sink is staged: rows are appended to the file at once and
// synced when the epoch is prepared; the length that the last committed epoch
// had is what a restart cuts the file to.
package file

import (
	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators/spec"
)

func init() {
	connectors.RegisterSource(SourceSpec)
	connectors.RegisterSink(SinkSpec)
}

// formats are those in which a row is a line, or a few.
var formats = []string{"lines", "json", "jsonl", "csv"}

// SourceSpec declares the source.
var SourceSpec = &connectors.SourceSpec{
	Name:    "file",
	Summary: "Reads the lines of files.",
	Doc: `` + "`path`" + ` is a file, or a pattern such as ` + "`logs/*.log`" + ` whose files are read side by side, each in order. A relative path is
relative to the directory in which the command runs. A file is read to its end as it is when the end is reached; with
` + "`follow: true`" + ` reading goes on as the file grows, and never ends. Line ends are LF or CR LF; a last line without an end is a
row unless the file is followed.`,
	Fields: []spec.Field{
		{Name: "path", Type: spec.String, Primary: true, Required: true, Doc: "the file, or a pattern with * ? [ ]"},
		{Name: "follow", Type: spec.Boolean, Doc: "go on reading as the file grows"},
		{Name: "max_line", Type: spec.Size, Default: "1MiB", Min: "1", Max: "64MiB", Doc: "a longer row is an error row"},
	},
	Formats: formats,
	Default: "lines",
	Example: "log: {file: /var/log/auth.log, format: lines}",
	Plan:    planSource,
}

// SinkSpec declares the sink.
var SinkSpec = &connectors.SinkSpec{
	Name:    "file",
	Summary: "Writes rows to a file, exactly once.",
	Doc: `Rows are appended to ` + "`path`" + `, which is created if need be. Whatever the file held when the pipeline first ran stays.
After a crash the file is cut to what the last committed epoch had written. A program that reads the file meanwhile may
see rows of an epoch that is then aborted; read a topic if that matters.`,
	Fields: []spec.Field{
		{Name: "path", Type: spec.String, Primary: true, Required: true, Doc: "the file"},
	},
	Formats: formats[1:],
	Default: "json",
	Example: "kept: {from: totals, file: totals.jsonl}",
	Plan:    planSink,
}

func planSource(in connectors.SourceInput) (*connectors.SourcePlan, error) {
	f, err := lookup(in.Format, in.Config)
	if err != nil {
		return nil, err
	}
	schema, err := f.Schema(in.Schema, in.Format.Config)
	if err != nil {
		return nil, err
	}
	if _, err := f.NewDecoder(schema, nil, in.Format.Config); err != nil {
		return nil, err
	}
	o := sourceOptions{
		name: in.Name, path: in.Config.Get("path").Text, follow: in.Config.Get("follow").Bool,
		maxLine: int(in.Config.Get("max_line").Int),
	}
	return &connectors.SourcePlan{
		Schema: schema, Bounded: !o.follow,
		New: func(env connectors.Env, want []string) (connectors.Source, error) {
			o := o
			o.dir = env.Dir
			o.decoder = func() (codec.Decoder, error) { return f.NewDecoder(schema, want, in.Format.Config) }
			return &source{o}, nil
		},
	}, nil
}

func planSink(in connectors.SinkInput) (*connectors.SinkPlan, error) {
	f, err := lookup(in.Format, in.Config)
	if err != nil {
		return nil, err
	}
	if _, err := f.NewEncoder(in.Schema, in.Format.Config); err != nil {
		return nil, err
	}
	return &connectors.SinkPlan{
		Guarantee: connectors.ExactlyOnce,
		Staged: func(env connectors.Env) (connectors.StagedSink, error) {
			e, err := f.NewEncoder(in.Schema, in.Format.Config)
			if err != nil {
				return nil, err
			}
			return newSink(absolute(env.Dir, in.Config.Get("path").Text), env.Pipeline+"/"+env.Node, e), nil
		},
	}, nil
}

func lookup(f connectors.Format, cfg spec.Config) (*codec.Format, error) {
	found, ok := codec.Lookup(f.Name)
	if !ok {
		return nil, spec.Errorf(cfg.Pos, "unknown-format", "there is no format %q", f.Name)
	}
	return found, nil
}
