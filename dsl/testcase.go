package dsl

import "github.com/millrace/millrace/operators/spec"

// Test is one entry of the pipeline's `tests`. Names of sources, sinks and
// columns in it are checked; nothing runs it yet, and lint says so.
type Test struct {
	Name string
	Pos  spec.Pos
}
