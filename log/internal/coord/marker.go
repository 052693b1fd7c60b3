package coord

import (
	"context"
	"errors"
)

// ErrNoPartition is the outcome of a Marker whose partition does not exist any
// more. There is nothing left to end there, so it counts as written.
var ErrNoPartition = errors.New("partition does not exist any more")

// ErrMarkerFenced is the outcome of a Marker whose producer has already moved on to
// a higher epoch in that partition: what it would have ended has ended.
var ErrMarkerFenced = errors.New("marker of an older producer epoch")

// Marker ends a transaction in one partition.
type Marker struct {
	Topic         string
	Partition     int32
	ProducerID    int64
	ProducerEpoch int16
	// CoordinatorEpoch is the leader epoch of the coordinator's partition. A partition
	// refuses a marker of an older coordinator.
	CoordinatorEpoch int32
	Commit           bool
	// Version is the transaction version, 1 or 2 (KIP-890). In version 2 a marker has a
	// higher epoch than the data before it.
	Version int16
}

// MarkerWriter writes markers to the partitions that they name, on this node or on
// others. It may be used concurrently.
type MarkerWriter interface {
	// WriteMarkers returns one outcome per marker, in order: nil once the marker is
	// committed (also if an earlier attempt wrote it), ErrNoPartition, ErrMarkerFenced,
	// or an error after which it is worth another try. Those of partitions of
	// __consumer_offsets go through group.Coordinator.WriteMarker, which decides the
	// offsets that the transaction committed.
	WriteMarkers(ctx context.Context, markers []Marker) []error
}
