package txn

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// maxRounds bounds the calls of MarkerWriter.WriteMarkers under way.
const maxRounds = 4

// writer has markers written. A round takes all that are waiting, of all
// transactions, so that under load one append per partition and one request per
// broker carry many of them.
type writer struct {
	markers coord.MarkerWriter
	guards  *guards
	logger  *slog.Logger
	ctx     context.Context // ends at Close
	wg      *sync.WaitGroup

	mu     sync.Mutex
	jobs   []writeJob
	rounds int
}

type writeJob struct {
	Markers
	answer func(core.Input)
}

// put has the markers of one transaction written, soon; it does not block.
func (w *writer) put(m Markers, answer func(core.Input)) {
	job := writeJob{m, answer}
	if m.Version >= 2 {
		w.enqueue(job)
		return
	}
	w.wg.Go(func() {
		for _, p := range m.Partitions {
			if w.guards.wait(w.ctx, guardKey{m.ProducerID, p}) != nil {
				return
			}
		}
		w.enqueue(job)
	})
}

func (w *writer) enqueue(job writeJob) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, job)
	if w.rounds < maxRounds {
		w.rounds++
		w.wg.Go(w.round)
	}
}

// round writes until nothing waits.
func (w *writer) round() {
	for {
		w.mu.Lock()
		jobs := w.jobs
		w.jobs = nil
		if len(jobs) == 0 || w.ctx.Err() != nil {
			w.rounds--
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.write(jobs)
	}
}

func (w *writer) write(jobs []writeJob) {
	var all []coord.Marker
	for _, j := range jobs {
		for _, p := range j.Partitions {
			all = append(all, coord.Marker{Topic: p.Topic, Partition: p.Partition,
				ProducerID: j.ProducerID, ProducerEpoch: j.ProducerEpoch,
				CoordinatorEpoch: j.CoordinatorEpoch, Commit: j.Commit, Version: j.Version})
		}
	}
	outcomes := w.markers.WriteMarkers(w.ctx, all)
	for _, j := range jobs {
		n := len(j.Partitions)
		j.answer(MarkersWritten{TransactionalID: j.TransactionalID, ProducerID: j.ProducerID,
			ProducerEpoch: j.ProducerEpoch, Missing: w.missing(j, outcomes[:n])})
		outcomes = outcomes[n:]
	}
}

// missing are the partitions that must be tried again.
func (w *writer) missing(j writeJob, outcomes []error) []TopicPartition {
	var missing []TopicPartition
	for i, err := range outcomes {
		p := j.Partitions[i]
		switch {
		case err == nil, errors.Is(err, coord.ErrNoPartition):
		case errors.Is(err, coord.ErrMarkerFenced):
			w.logger.Warn("transaction marker came after its producer had moved on",
				"transactional_id", j.TransactionalID, "topic", p.Topic, "partition", p.Partition)
		default:
			missing = append(missing, p)
			w.logger.Warn("transaction marker is not written yet and will be tried again", "error", err,
				"transactional_id", j.TransactionalID, "topic", p.Topic, "partition", p.Partition)
		}
	}
	return missing
}
