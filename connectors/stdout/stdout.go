// Package stdout is the sink `stdout`: rows for a person, or for the next program
// in a pipe, printed once their epoch has committed.
package stdout

import (
	"context"
	"errors"
	"strings"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func init() { connectors.RegisterSink(Spec) }

// Spec declares the sink.
var Spec = &connectors.SinkSpec{
	Name:    "stdout",
	Summary: "Prints rows once their epoch has committed.",
	Doc: `Without a format rows are an aligned table: a heading, then a line per row. With ` + "`format: json`" + `, ` + "`csv`" + ` or
another text format they are what a file of that format would hold.

A crash between the commit and the print loses the last epoch's rows: a terminal takes no part in a transaction. Send rows to a topic or a file if that matters.`,
	Formats: []string{"json", "csv", "lines"},
	Fields: []spec.Field{
		{Name: "prefix", Type: spec.String, Primary: true, Doc: "text in front of every line, to tell several sinks apart"},
	},
	Example: "shown: {from: totals, stdout: {}}",
	Plan:    plan,
}

func plan(in connectors.SinkInput) (*connectors.SinkPlan, error) {
	prefix := in.Config.Get("prefix").Text
	newPrinter := func() (printer, error) { return newTable(in.Schema), nil }
	if in.Format.Name != "" {
		f, ok := codec.Lookup(in.Format.Name)
		if !ok {
			return nil, spec.Errorf(in.Config.Pos, "unknown-format", "there is no format %q", in.Format.Name)
		}
		newPrinter = func() (printer, error) {
			e, err := f.NewEncoder(in.Schema, in.Format.Config)
			return &lines{encoder: e}, err
		}
		if _, err := newPrinter(); err != nil {
			return nil, err
		}
	}
	return &connectors.SinkPlan{
		Guarantee: connectors.AtMostOnce,
		AfterCommit: func(env connectors.Env) (connectors.AfterCommitSink, error) {
			p, err := newPrinter()
			if err != nil {
				return nil, err
			}
			return &sink{printer: p, prefix: prefix, env: env}, nil
		},
	}, nil
}

// printer makes lines of rows.
type printer interface {
	// row appends one row to the batch of lines that is being made.
	row(b *columnar.Batch, row int32) error
	// take returns the lines made since the last take.
	take() []string
	// drop forgets them.
	drop()
}

// sink keeps the open epoch's lines and prints them when it has committed.
type sink struct {
	printer printer
	prefix  string
	env     connectors.Env
}

// Write implements connectors.AfterCommitSink.
func (s *sink) Write(b *columnar.Batch, rowError func(int32, error)) error {
	for i := range b.Len() {
		row := int32(i)
		if b.Sel != nil {
			row = b.Sel[i]
		}
		if err := s.printer.row(b, row); err != nil {
			rowError(row, err)
		}
	}
	return nil
}

// Committed implements connectors.AfterCommitSink.
func (s *sink) Committed(context.Context) error {
	lines := s.printer.take()
	if len(lines) == 0 {
		return nil
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(s.prefix)
		b.WriteString(line)
		b.WriteByte('\n')
	}
	_, err := s.env.Stdout.Write([]byte(b.String()))
	if err != nil {
		return errors.Join(errors.New("standard output is closed"), err)
	}
	return nil
}

// Aborted implements connectors.AfterCommitSink.
func (s *sink) Aborted() { s.printer.drop() }

// Close implements connectors.AfterCommitSink.
func (s *sink) Close() error { return nil }

// lines prints rows through a codec.
type lines struct {
	encoder codec.Encoder
	headed  bool
	made    []string
	buf     []byte
}

func (l *lines) row(b *columnar.Batch, row int32) error {
	out, err := l.encoder.Encode(l.buf[:0], b, row)
	if err != nil {
		return err
	}
	l.buf = out
	l.made = append(l.made, string(out))
	return nil
}

func (l *lines) take() []string {
	made := l.made
	l.made = nil
	if h := l.encoder.Header(); h != nil && !l.headed && len(made) > 0 {
		l.headed = true
		made = append([]string{string(h)}, made...)
	}
	return made
}

func (l *lines) drop() { l.made = nil }
