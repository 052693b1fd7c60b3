package storage

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// TestNothingIsAcknowledgedAboveAGap: a crash test lost what was acknowledged, once
// in fifty runs. The settler was syncing a segment when a round came with an append
// that was too large to be staged: the round passed over the log. A small append had
// come after the round had taken its appends, and was staged for the next round,
// which passed over the log again, but wrote the small append to the journal and
// acknowledged it, and with it the large one, which was nowhere. It takes a slow sync
// and an append in the moment between two steps of a round, which few seeds have; so
// this test makes that moment.
func TestNothingIsAcknowledgedAboveAGap(t *testing.T) {
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 2, func(o *Options) { o.Journal, o.JournalAge = JournalOn, time.Hour })
	held, other := logs[0], logs[1]
	roundOver(t, logs)
	before := held.Durable()

	held.syncing.lock() // as the settler does
	release := sync.OnceFunc(func() {
		held.syncing.unlock()
		n.commit.add(held) // as the settler does
	})
	defer release()
	var records atomic.Int64
	m.Inject(func(op vfs.Op, _ string) error { // of a record: between the two steps
		if op != vfs.OpWriteAt {
			return nil
		}
		switch records.Add(1) {
		case 1:
			mustAppend(t, held, plainBatch(strings.Repeat("large", maxStagedAppend/5+1)))
			mustAppend(t, other, plainBatch("x"))
		case 2:
			mustAppend(t, held, plainBatch("small"))
			mustAppend(t, other, plainBatch("x"))
		}
		return nil
	})
	mustAppend(t, other, plainBatch("x"))
	for i := range int64(3) {
		durable(t, other, before+1+i)
	}
	m.Inject(nil)
	if got := held.Durable(); got != before {
		t.Errorf("acknowledged up to %d, the segment is synced up to %d", got, held.synced)
	}
	if got := records.Load(); got < 3 {
		t.Fatalf("%d rounds went to the journal", got)
	}
	crashed := m.CrashClone(randomSource(t))
	release()
	durable(t, held, held.LogEnd())

	after := openDisk(t, crashed)
	l, err := after.OpenLog(topic, held.id.Partition, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if end := l.LogEnd(); end < before {
		t.Errorf("ends at %d, %d was acknowledged", end, before)
	}
}

// TestJournalOfOneFileIsNeverShort: on a disk with room for one journal file, that
// file is begun anew right behind the mark that frees it. Until the settler had
// looked again, all new records named the mark as the oldest round that replay
// needs, also the one that overwrote it: after a power cut in that moment the node
// did not start, since a round was missing. The crash tests let the settler run all
// the time, so this one does without.
func TestJournalOfOneFileIsNeverShort(t *testing.T) {
	m := vfs.NewMem()
	d := &Disk{o: Options{FS: m, Dir: "/data", Journal: JournalAuto, JournalFileBytes: testJournalBytes, JournalFiles: 2}}
	d.o.setDefaults()
	d.settle = &settler{wake: make(chan struct{}, 1)}
	d.free.Store(1 << 40)
	if err := vfs.MkdirAll(m, "/data/"+journalDir); err != nil {
		t.Fatal(err)
	}
	j := newJournal(d)
	f, err := j.make(0)
	if err != nil {
		t.Fatal(err)
	}
	j.spare, j.made = f, d.o.JournalFiles
	put := func(entries int) {
		t.Helper()
		var rec staging
		for range entries {
			rec.entry(entryForget, TopicPartition{topic, 0}, -1, -1, 0)
		}
		if ok, err := j.put(&rec); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := j.sync(); err != nil {
			t.Fatal(err)
		}
		j.synced()
		c, err := readJournal(m, "/data")
		if err != nil {
			t.Fatalf("after round %d: %v", j.round, err)
		}
		c.close()
	}
	const threePages = 2 * journalPage / entryHeader
	put(threePages)
	for j.active.pos+3*journalPage <= j.active.size-journalPage {
		put(threePages)
	}
	full := j.active.pos
	j.needed.Store(j.done.Load() + 1) // the settler's only turn
	put(threePages)
	if j.active.pos >= full {
		t.Fatal("the file was not begun anew")
	}
	for j.active.pos <= full {
		put(1)
	}
}
