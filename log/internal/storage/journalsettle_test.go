package storage

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// TestSegmentsFollowTheJournal: what is durable in the journal alone is synced after
// a while, and then nothing more happens.
func TestSegmentsFollowTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		n, logs := journalDisk(t, m, 6, func(o *Options) { o.Journal, o.JournalAge, o.CheckpointInterval = JournalOn, 5*time.Second, time.Hour })
		roundOver(t, logs) // segments: the file is made in this round
		roundOver(t, logs)
		calls := countJournal(m)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := calls.segments.Load(); got != 0 {
			t.Errorf("%d segments synced after four seconds", got)
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := calls.segments.Load(); got != int64(len(logs)) {
			t.Errorf("%d segments synced after eight seconds, of %d", got, len(logs))
		}
		for _, l := range logs {
			if l.synced != l.end || l.journalLag() != 0 {
				t.Errorf("synced to %d of %d, lag %d", l.synced, l.end, l.journalLag())
			}
		}
		if needed := n.journal.needed.Load(); needed != n.journal.done.Load()+1 {
			t.Errorf("round %d is needed after %d", needed, n.journal.done.Load())
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := calls.segments.Load(); got != int64(len(logs)) || calls.records.Load() != 0 {
			t.Errorf("%d syncs and %d records when there was nothing to do", got, calls.records.Load())
		}
		// The first round after a pause was overlooked until the next checkpoint.
		roundOver(t, logs)
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if got := calls.segments.Load(); got != 2*int64(len(logs)) {
			t.Errorf("%d segments synced eight seconds after a pause, of %d", got-int64(len(logs)), len(logs))
		}
		if err := n.Close(-1); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCheckpointsDoNotWaitForTheJournal: who wants a segment synced gets it, while
// rounds of others go to the journal.
func TestCheckpointsDoNotWaitForTheJournal(t *testing.T) {
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 6, func(o *Options) { o.Journal, o.JournalAge = JournalOn, time.Hour })
	for range 5 {
		roundOver(t, logs)
		if err := logs[0].Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if logs[0].synced != logs[0].end {
			t.Fatalf("synced to %d of %d", logs[0].synced, logs[0].end)
		}
	}
	if n.journal.done.Load() == 0 {
		t.Fatal("no round went to the journal")
	}
}
