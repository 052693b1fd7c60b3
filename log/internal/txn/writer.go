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

// writer has markers written.
//
//  1. A round takes all that are waiting, of all transactions, so that under load one
//     append per partition and one request per broker carry many of them.
//  2. Of one transactional id, one job is under way at a time. When a core starts again
//     from its log it sends markers anew, while a round of the old core may still be
//     running. A marker of that round that came after the new ones could end the next
//     transaction of the same producer.
type writer struct {
	markers coord.MarkerWriter
	guards  *guards
	logger  *slog.Logger
	ctx     context.Context // ends at Close
	wg      *sync.WaitGroup

	mu     sync.Mutex
	jobs   []writeJob
	busy   map[string][]writeJob // by transactional id under way: what waits behind
	rounds int
}

func newWriter(ctx context.Context, markers coord.MarkerWriter, g *guards, wg *sync.WaitGroup, logger *slog.Logger) *writer {
	return &writer{markers: markers, guards: g, logger: logger, ctx: ctx, wg: wg, busy: map[string][]writeJob{}}
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
	if behind, ok := w.busy[job.TransactionalID]; ok {
		w.busy[job.TransactionalID] = append(behind, job)
		return
	}
	w.busy[job.TransactionalID] = nil
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
		w.finished(jobs)
	}
}

// finished lets go on what waited behind jobs.
func (w *writer) finished(jobs []writeJob) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range jobs {
		behind := w.busy[j.TransactionalID]
		if len(behind) == 0 {
			delete(w.busy, j.TransactionalID)
			continue
		}
		w.jobs = append(w.jobs, behind[0])
		w.busy[j.TransactionalID] = behind[1:]
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
		case w.ctx.Err() != nil:
			missing = append(missing, p) // the node closes; the next start finds the decision in the log
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
