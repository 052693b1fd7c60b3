// Package conformance runs other people's clients against a node: kafkajs and kcat
// (librdkafka). A client that is not installed is skipped by name.
//
//	cd conformance && go test ./...
//
// It is a module of its own, so that what the clients' tests need never becomes a
// dependency of the log.
package conformance
