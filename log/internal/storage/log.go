package storage

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// Log is one partition. It may be used concurrently.
//
// The simple way is one mutex over a list of files. Then a reader waits for a
// writer's disk, and a writer for a sync. A log instead keeps apart what the disk
// holds from what readers are shown:
//
//  1. Appends go one at a time (writing). The bytes are written first; only then,
//     under mu and without any I/O, do end, index and producers change. So a
//     reader sees whole batches or nothing, and an append that fails is cut off
//     the file again before anybody could have seen it.
//  2. start <= durable <= end. Under the policy Always, durable is synced; under
//     the others it is end, and synced follows.
//     What is durable and not yet synced is in the disk's journal.
//  3. Every segment but the last two is synced. So recovery knows without a
//     checkpoint what cannot be a torn tail.
//  4. Segments never move, and finished ones never change: readers take what they
//     need of them under mu and read without it. gen tells them that some have gone
//     meanwhile.
//     Compaction replaces finished ones; who has opened an old one finishes with it,
//     and swaps tells the others to look again.
//  5. Locks are taken in the order cleaning, keeping, writing, syncing, mu. mu is
//     never held across I/O, the others may be.
type Log struct {
	disk     *Disk
	id       TopicPartition
	dir      string
	recovery Recovery
	cfg      atomic.Pointer[Config]

	cleaning ioLock // who compacts; before the others, or alone
	keeping  ioLock // who changes anything but the end: checkpoint, truncation, start, closing
	writing  ioLock // who changes the end
	syncing  ioLock // who syncs or closes the files: the commit loop's turn

	// Guarded by writing; the memory of Append.
	planned []plannedBatch
	buf     []byte

	// Guarded by committer.mu.
	queued     bool
	stagedBase int64 // where the log ended before what is staged for the next round
	stagedEnd  int64 // the end of that, -1 if nothing is staged
	unstaged   bool  // the next round must sync the segments: not all is staged

	mu sync.Mutex
	// active is the last segment's file, nil until the first append. Changing it
	// needs writing, syncing and mu, reading any of them.
	active vfs.File
	// Guarded by mu.
	segments      []*segment // never empty, ordered; the slice is replaced, not changed, but at its end
	start, end    int64
	durable       int64 // what may be acknowledged
	synced        int64 // what is on the disk for sure
	announced     int64 // the durable end that OnDurable was last told
	epochs        epochCache
	producers     producerTable
	txns          txnTable
	activeDirty   bool       // active has unsynced bytes
	finished      []vfs.File // rolled segments' files: sync, then close
	dirDirty      bool       // a file was made
	syncWanted    bool       // sync at the next round, whatever the policy
	journaled     int64      // the end of what is in the journal
	journalRound  uint64     // the first round with what is above synced, 0 if nothing is
	journalAt     time.Time  // when that was
	durableWaits  waitList
	syncedWaits   waitList
	onDurable     func(int64)
	gen           int                // raised when segments go away
	swaps         int                // raised when segments are replaced by compacted ones
	cuts          int                // raised when the end goes back
	highWatermark int64              // the highest that a caller has named, see cleaner
	dirty         int64              // first offset that compaction has not seen
	opened        int64              // the end when the log was opened, or what a truncation left of it
	dirtyKnown    bool               // dirty was read from its file
	stopCleaning  context.CancelFunc // of the pass that is running, or nil
	checkpointEnd int64
	checkpointAt  time.Time
	broken        error // why the log takes no more calls: closed, damaged
}

// ID is the partition that the log holds.
func (l *Log) ID() TopicPartition { return l.id }

// Recovery is what opening the log found.
func (l *Log) Recovery() Recovery { return l.recovery }

// LogStart is the first offset that may be read.
func (l *Log) LogStart() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start
}

// LogEnd is the offset that the next record gets.
func (l *Log) LogEnd() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Size is the number of bytes in all segments.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int64(0)
	for _, s := range l.segments {
		size += s.size
	}
	return size
}

// SetConfig replaces the configuration.
func (l *Log) SetConfig(c Config) {
	c = c.withDefaults()
	l.cfg.Store(&c)
}

// usable is why the log takes no more calls. Needs mu.
func (l *Log) usable() error {
	if l.broken != nil {
		return l.broken
	}
	return l.disk.Err()
}

// damaged takes the log out of service. Files stay as they are.
func (l *Log) damaged(cause *CorruptError) error {
	l.mu.Lock()
	first := l.broken == nil
	if first {
		l.broken = cause
	}
	l.mu.Unlock()
	if first {
		l.disk.o.Logger.Error("partition is damaged and out of service", "log", l.id.String(), "error", cause)
		l.wakeAll(cause)
	}
	return cause
}

// settle dresses an error for a caller of the log; no lock is held.
func (l *Log) settle(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %v: %w", doing, l.id, l.disk.ioError(err))
}

// LastStable is the first offset of a transaction that is open, or whose marker is
// not below the high watermark; the high watermark if there is none.
func (l *Log) LastStable(highWatermark int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.highWatermark = max(l.highWatermark, highWatermark)
	return l.txns.lastStable(highWatermark)
}

// Producer is what is known of one producer.
func (l *Log) Producer(id int64) (ProducerState, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.producers.byID[id]
	if p == nil {
		return ProducerState{}, false
	}
	return p.state(id), true
}

// Producers is what is known of all producers, ordered by id.
func (l *Log) Producers() []ProducerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]ProducerState, 0, len(l.producers.byID))
	for _, id := range l.producers.ids() {
		list = append(list, l.producers.byID[id].state(id))
	}
	return list
}
