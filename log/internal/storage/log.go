package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
//  3. Every segment but the last two is synced. So recovery knows without a
//     checkpoint what cannot be a torn tail.
//  4. Segments never move, and finished ones never change: readers take what they
//     need of them under mu and read without it. gen tells them that some have gone
//     meanwhile.
//  5. Locks are taken in the order keeping, writing, syncing, mu. mu is never held
//     across I/O, the others may be.
type Log struct {
	disk     *Disk
	id       TopicPartition
	dir      string
	recovery Recovery
	cfg      atomic.Pointer[Config]

	keeping ioLock // who changes anything but the end: checkpoint, truncation, start, closing
	writing ioLock // who changes the end
	syncing ioLock // who syncs or closes the files: the commit loop's turn

	// Guarded by writing; the memory of Append.
	planned []plannedBatch
	buf     []byte

	queued bool // guarded by committer.mu

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
	durableWaits  waitList
	syncedWaits   waitList
	onDurable     func(int64)
	gen           int // raised when segments go away
	checkpointEnd int64
	checkpointAt  time.Time
	broken        error // why the log takes no more calls: closed, damaged
}

// Recovery is what opening the log found.
func (l *Log) Recovery() Recovery { return l.recovery }

// Durable is the end of what survives a power cut, by the disk's policy.
func (l *Log) Durable() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

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

// WaitDurable waits until Durable() >= offset. It fails if ctx is done, the log
// is closed or truncated below offset, or the disk fails.
func (l *Log) WaitDurable(ctx context.Context, offset int64) error {
	return l.wait(ctx, offset, false)
}

// wait waits for durable, or for synced.
func (l *Log) wait(ctx context.Context, offset int64, synced bool) error {
	l.mu.Lock()
	reached, list := l.durable, &l.durableWaits
	if synced {
		reached, list = l.synced, &l.syncedWaits
	}
	err := l.usable()
	switch {
	case err != nil || reached >= offset:
		l.mu.Unlock()
		return err
	case offset > l.end:
		l.mu.Unlock()
		return fmt.Errorf("wait for %v to reach offset %d: %w: it ends at %d", l.id, offset, ErrOffsetOutOfRange, l.end)
	}
	done := list.add(offset)
	l.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		list.remove(done)
		return ctx.Err()
	}
}

// OnDurable has f called after every rise of Durable, from the disk's commit loop:
// one call at a time, in order, several rises perhaps as one. f must not block nor
// call Close. There is one f; nil removes it. It is not called for what was
// durable before.
func (l *Log) OnDurable(f func(durable int64)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onDurable = f
}

// announce tells who waits that durable has risen. Only the commit loop calls it.
func (l *Log) announce() {
	l.mu.Lock()
	if l.durable <= l.announced || l.broken != nil {
		l.mu.Unlock()
		return
	}
	l.announced = l.durable
	l.durableWaits.reached(l.durable)
	f, durable := l.onDurable, l.durable
	l.mu.Unlock()
	if f != nil {
		f(durable)
	}
}

// takeDirty is the log's part of a commit round. Needs syncing.
func (l *Log) takeDirty() syncJob {
	l.mu.Lock()
	defer l.mu.Unlock()
	j := syncJob{log: l, target: -1}
	if l.disk.o.Policy != Always && !l.syncWanted {
		return j
	}
	j.target, j.finished, j.dir = l.end, l.finished, l.dirDirty
	if l.activeDirty {
		j.active = l.active
	}
	l.syncWanted, l.activeDirty, l.dirDirty, l.finished = false, false, false, nil
	return j
}

// commit takes the result of a round that went well. Needs syncing.
func (l *Log) commit(j *syncJob) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.target < 0 {
		return
	}
	l.synced = max(l.synced, j.target)
	l.durable = max(l.durable, l.synced)
	l.syncedWaits.reached(l.synced)
}

// wantSync has the next round sync the log under every policy.
func (l *Log) wantSync() {
	l.mu.Lock()
	dirty := l.synced < l.end || l.dirDirty || len(l.finished) > 0
	l.syncWanted = l.syncWanted || dirty
	l.mu.Unlock()
	if dirty {
		l.disk.commit.add(l)
	}
}

// syncNow does a commit round's work here. Needs syncing.
func (l *Log) syncNow() error {
	l.mu.Lock()
	l.syncWanted = true
	l.mu.Unlock()
	j := l.takeDirty()
	if err := syncFiles(l.disk.o.FS, []syncJob{j}, l.disk.o.SyncParallel); err != nil {
		return &diskError{fmt.Errorf("sync: %v", err)} // not %w: a full disk is no excuse for a sync
	}
	l.commit(&j)
	return nil
}

// usable is why the log takes no more calls. Needs mu.
func (l *Log) usable() error {
	if l.broken != nil {
		return l.broken
	}
	return l.disk.Err()
}

// wakeAll tells all who wait that it is in vain.
func (l *Log) wakeAll(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := func(int64) bool { return true }
	l.durableWaits.wake(err, all)
	l.syncedWaits.wake(err, all)
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

// SetLeaderEpoch begins a leader epoch at the log's end, durably. An epoch that is
// not above the latest changes nothing.
func (l *Log) SetLeaderEpoch(epoch int32) error {
	l.writing.lock()
	err := l.beginEpoch(epoch)
	l.writing.unlock()
	return l.settle("set leader epoch of", err)
}

// beginEpoch writes an epoch that begins at the end before anything is written in
// it. Needs writing.
func (l *Log) beginEpoch(epoch int32) error {
	l.mu.Lock()
	err := l.usable()
	was, end := l.epochs, l.end
	l.mu.Unlock()
	if err != nil || epoch <= was.latest() {
		return err
	}
	return l.storeEpochs(was.begin(epoch, end))
}

// storeEpochs writes and then shows epochs. Needs writing, or keeping where the
// end cannot change.
func (l *Log) storeEpochs(c epochCache) error {
	if err := writeFrame(l.disk.o.FS, l.dir+"/"+epochsFile, kindEpochs, c.encode()); err != nil {
		return onDisk("write leader epochs", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epochs = c
	return nil
}

// LeaderEpoch is the latest epoch in the log, -1 if there is none.
func (l *Log) LeaderEpoch() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.latest()
}

// EpochAt is the leader epoch of the record at offset, -1 if it is not known.
func (l *Log) EpochAt(offset int64) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.at(offset)
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch in the log that is not
// above the one asked for, and where it ends. Both are -1 if the log has no such.
func (l *Log) EpochEnd(epoch int32) (found int32, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.end(epoch, l.end)
}

// LastStable is the first offset of a transaction that is open, or whose marker is
// not below the high watermark; the high watermark if there is none.
func (l *Log) LastStable(highWatermark int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
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

// Close makes everything durable, writes a checkpoint and closes the files. It may
// be called twice.
func (l *Log) Close() error {
	l.keeping.lock()
	l.writing.lock()
	l.syncing.lock()
	err := l.close(true)
	l.syncing.unlock()
	l.writing.unlock()
	l.keeping.unlock()
	if errors.Is(err, errTold) {
		return nil
	}
	return l.settle("close", err)
}

// abandon closes the files of a log whose directory is going away.
func (l *Log) abandon() {
	l.keeping.lock()
	l.writing.lock()
	l.syncing.lock()
	_ = l.close(false)
	l.syncing.unlock()
	l.writing.unlock()
	l.keeping.unlock()
}

// errTold is what close returns the second time.
var errTold = errors.New("closed before")

// close needs keeping, writing and syncing.
func (l *Log) close(save bool) (err error) {
	l.mu.Lock()
	was := l.broken
	l.mu.Unlock()
	if errors.Is(was, ErrClosed) {
		return errTold
	}
	if save && was == nil && l.disk.Err() == nil {
		if err = l.syncNow(); err == nil {
			l.announceClosing()
			if err = l.save(); isFull(err) {
				l.disk.o.Logger.Warn("closed without a checkpoint, the next start reads more", "log", l.id.String(), "error", err)
				err = nil
			}
		}
	}
	l.mu.Lock()
	l.broken = ErrClosed
	files := l.finished
	if l.active != nil {
		files = append(files, l.active)
	}
	l.active, l.finished = nil, nil
	segments := slices.Clone(l.segments)
	l.mu.Unlock()
	for _, f := range files {
		_ = f.Close() // synced above, or given up
	}
	for _, s := range segments {
		l.disk.handles.drop(s)
	}
	l.wakeAll(fmt.Errorf("%v: %w", l.id, ErrClosed))
	l.disk.forget(l.id)
	return err
}

// announceClosing wakes who waits for what the last sync has made durable; the
// commit loop will not come here any more.
func (l *Log) announceClosing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durableWaits.reached(l.durable)
}
