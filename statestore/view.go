// Package statestore remembers: keyed state of one worker and pipeline, live in
// open-addressing tables, captured per epoch, written back to Pebble at
// checkpoints and restored from the changelog.
package statestore

// View is the state of one operator in one task.
type View struct{}
