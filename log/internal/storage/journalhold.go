package storage

import "maps"

// hold keeps in the journal what replay needs of a log that is about to be closed for
// good without a sync, until release. Nobody wants its segments any more; but until its
// directory has lost its name, durably, a crash brings the log back, and it must then be
// as it was. Entries of it are in rounds from its lag on, or, if it has none, in those
// that are on their way. The log is still among the open ones, so that the settler sees
// it there or here. Called with the log's locks: somebody who had them could be waiting
// for room in the journal, and what is held makes none.
func (j *journal) hold(l *Log) {
	round := j.done.Load() + 1 // before the lag, which a round that ends now would set
	if lag := l.journalLag(); lag > 0 {
		round = min(round, lag)
	}
	j.mu.Lock()
	j.held[l.id] = round
	j.mu.Unlock()
}

// release ends hold: the directory is gone. Without a hold it does nothing.
func (j *journal) release(id TopicPartition) {
	j.mu.Lock()
	_, held := j.held[id]
	delete(j.held, id)
	j.mu.Unlock()
	if held {
		j.d.settle.poke()
	}
}

// lowest is the oldest of some rounds and of those that are held. It does not go below
// what counts as needed already: a round that a synced record has named as old may be
// overwritten, and a log that is held now had nothing in it.
func (j *journal) lowest(round uint64) uint64 {
	j.mu.Lock()
	for held := range maps.Values(j.held) {
		round = min(round, held)
	}
	j.mu.Unlock()
	return max(round, j.needed.Load())
}
