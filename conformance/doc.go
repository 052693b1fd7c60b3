// Package conformance runs other people's clients and test suites against a node. A
// client that is not installed is skipped by name; README.md says what there is.
//
//	cd conformance && go test ./...
//
// It is a module of its own, so that what the clients' tests need never becomes a
// dependency of the log.
package conformance
