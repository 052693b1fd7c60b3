package storage

import "fmt"

// forgetting is a caller who waits until no replay will find what the journal has
// of a log.
type forgetting struct {
	id   TopicPartition
	done chan error // of capacity 1
}

// forget voids all entries of a log, durably, also those of appends that are on
// their way to the journal; who calls it makes sure that no further ones come. The
// log's segments are synced, or its directory is gone.
func (c *committer) forget(id TopicPartition) error {
	if c.journal == nil {
		return nil // replay has emptied it
	}
	f := forgetting{id, make(chan error, 1)}
	c.mu.Lock()
	c.forgets = append(c.forgets, f)
	c.mu.Unlock()
	c.poke()
	select {
	case err := <-f.done:
		return err
	case <-c.done:
		return fmt.Errorf("void the journal of %v: %w", id, ErrClosed)
	}
}

// answer ends the wait of who needed the round.
func answer(forgets []forgetting, err error) {
	for _, f := range forgets {
		f.done <- err
	}
}

// voids adds what is to be forgotten to a record. What replay would not find
// anyway, nor find in this record, is left out.
func (j *journal) voids(rec *staging, forgets []forgetting, logs []roundLog) {
	for _, f := range forgets {
		found := j.isLive(f.id)
		for i := range logs {
			found = found || logs[i].stagedEnd >= 0 && logs[i].log.id == f.id
		}
		if found {
			rec.entry(entryForget, f.id, -1, -1, 0)
		}
	}
}
