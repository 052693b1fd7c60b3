package dsl

import (
	"strings"

	"github.com/millrace/millrace/operators/spec"
)

// Limits on a pipeline file. They are far above what a person writes and keep
// a hostile file from taking memory or stack: the largest real pipelines that
// people publish are some 100 KiB and ten levels deep.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 64
	maxValues    = 100_000 // scalars, mappings and lists, aliases counted at each use
	maxFaults    = 200     // reported at once
)

// file is the text of a pipeline with its lines, and the faults found in it.
type file struct {
	name   string
	lines  [][]rune // without line breaks
	getenv func(string) (string, bool)
	faults spec.Errors
	count  int // faults found, those beyond maxFaults too
}

func newFile(name string, text []byte, getenv func(string) (string, bool)) *file {
	f := &file{name: name, getenv: getenv}
	for line := range strings.SplitSeq(string(text), "\n") {
		f.lines = append(f.lines, []rune(strings.TrimSuffix(line, "\r")))
	}
	return f
}

// pos is a place in the file; line and col count from 1.
func (f *file) pos(line, col int) spec.Pos {
	return spec.Pos{File: f.name, Line: line, Col: col}
}

// line is the text of a line that counts from 1; nil outside of the file.
func (f *file) line(n int) []rune {
	if n < 1 || n > len(f.lines) {
		return nil
	}
	return f.lines[n-1]
}

// fault records an error. Beyond maxFaults they are only counted: a reader
// fixes the first ten and asks again.
func (f *file) fault(e *spec.Error) {
	if f.count++; f.count > maxFaults {
		return
	}
	f.faults = append(f.faults, e)
}

// faultf records an error with a rule, a place and a message.
func (f *file) faultf(p spec.Pos, rule, format string, args ...any) *spec.Error {
	e := spec.Errorf(p, rule, format, args...)
	f.fault(e)
	return e
}
