// Package soak tries to make a node lose something. Real clients append, plainly,
// idempotently and in transactions, read, commit offsets, delete records and topics,
// while the process is killed with SIGKILL and started again; what each of them did
// and saw is a history, and a checker of its own looks in it for what cannot be, as
// Jepsen does.
//
// It has nothing but tests: TestSoak is the run, TestChecker shows that the checker
// finds what it is for. The short form is part of `go test`; the long one:
//
//	go test ./soak -soak.for=20m -soak.seed=42 -timeout 40m
//
// The seed draws what the clients do and when the node dies. It is printed; what then
// happens depends on the machine too, so the history of a run that failed is kept in
// a folder, and -soak.check=FILE checks it again.
package soak
