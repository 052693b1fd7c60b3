package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/record"
)

// markerWriter ends transactions in the partitions of this node. All markers of a
// call are under way at once, so that they share a sync.
type markerWriter struct {
	replicas *replica.Manager
	groups   *group.Coordinator
}

var _ coord.MarkerWriter = (*markerWriter)(nil)

// WriteMarkers is as coord.MarkerWriter says.
func (w *markerWriter) WriteMarkers(ctx context.Context, markers []coord.Marker) []error {
	errs := make([]error, len(markers))
	done := make(chan struct{}, len(markers))
	for i, m := range markers {
		finish := func(err error) {
			errs[i] = err
			done <- struct{}{}
		}
		if m.Topic == coord.GroupTopic {
			go func() { finish(w.groups.WriteMarker(ctx, m)) }()
			continue
		}
		w.write(m, finish)
	}
	for range markers {
		<-done // a partition that closes ends what waits in it
	}
	return errs
}

// write appends a marker to a partition of records.
func (w *markerWriter) write(m coord.Marker, finish func(error)) {
	p, err := w.replicas.PartitionByName(m.Topic, m.Partition)
	if err != nil {
		finish(markerOutcome(m, err))
		return
	}
	control := record.Control{Marker: record.Abort, CoordinatorEpoch: m.CoordinatorEpoch}
	if m.Commit {
		control.Marker = record.Commit
	}
	batch := record.ControlBatch(control, m.ProducerID, m.ProducerEpoch, time.Now().UnixMilli())
	p.Enqueue(batch, replica.AppendOptions{Origin: replica.FromCoordinator, Acks: replica.AcksAll, LeaderEpoch: -1},
		func(_ replica.Result, err error) { finish(markerOutcome(m, err)) })
}

// markerOutcome tells what needs no other try from what does.
func markerOutcome(m coord.Marker, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return coord.ErrNoPartition
	case errors.Is(err, kerr.InvalidProducerEpoch):
		return coord.ErrMarkerFenced
	}
	return fmt.Errorf("write a transaction marker to %s/%d: %w", m.Topic, m.Partition, err)
}
