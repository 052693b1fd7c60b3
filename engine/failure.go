package engine

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/statestore"
)

// nodeFailure is an error or a panic in the code of one operator. It aborts the
// epoch; the replay runs that node row by row.
type nodeFailure struct {
	node  *dsl.Node
	cause error
	stack []byte // of a panic
}

func (f *nodeFailure) Error() string {
	return fmt.Sprintf("operator %s (%s): %v", f.node.Name, f.node.Verb, f.cause)
}

func (f *nodeFailure) Unwrap() error { return f.cause }

// passedOn marks an error that came from further down the chain, so that it is
// not blamed on the operator whose Emit returned it.
type passedOn struct{ error }

func (p passedOn) Unwrap() error { return p.error }

func downstream(err error) error {
	if err == nil {
		return nil
	}
	return passedOn{err}
}

// guard runs a node's code. What the node itself gets wrong comes back as
// *nodeFailure; what a consumer got wrong comes back as it is.
func guard(node *dsl.Node, run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &nodeFailure{node: node, cause: fmt.Errorf("panic: %v", r), stack: debug.Stack()}
		}
	}()
	err = run()
	if err == nil {
		return nil
	}
	var p passedOn
	if errors.As(err, &p) {
		return p.error
	}
	if errors.Is(err, statestore.ErrMemory) {
		return err // no row is to blame: the same rows one by one take as much
	}
	return &nodeFailure{node: node, cause: err}
}

// asNodeFailure is the cause if err is the given node's own failure.
func asNodeFailure(err error, node *dsl.Node) (error, bool) {
	var f *nodeFailure
	if errors.As(err, &f) && f.node == node {
		return f.cause, true
	}
	return nil, false
}
