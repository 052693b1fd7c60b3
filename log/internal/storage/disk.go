// Package storage keeps partitions on one disk: segments of record batches as
// they were received, what is needed to find a record in them, what each producer
// has written, and a promise about which of it survives a power cut.
//
// It knows offsets, leader epochs, producers and transactions; it knows no
// replicas, no high watermark, no topics' names. Readers say how far they may see.
//
//	disk, err := storage.Open(storage.Options{FS: vfs.OS(), Dir: dir, Fatal: fail})
//	l, err := disk.OpenLog(topicID, 0, storage.Config{})
//	t, err := l.Append(batch, storage.AppendOptions{LeaderEpoch: 4}) // never waits for the disk
//	err = l.WaitDurable(ctx, t.LastOffset+1)
//	data, err := l.Read(t.BaseOffset, 1<<20, l.Durable())
//	err = disk.Close(brokerEpoch)
//
// The formats are described in docs/storage-format.md.
package storage

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/millrace/millrace/internal/vfs"
)

// Identity is what the node file says.
type Identity struct {
	ClusterID   [16]byte
	DirectoryID [16]byte
	NodeID      int32
	// New reports that this Open made the directory.
	New bool
}

// TopicPartition names a log.
type TopicPartition struct {
	TopicID   [16]byte
	Partition int32
}

// String is the log's directory below topics/.
func (tp TopicPartition) String() string {
	return uuid.UUID(tp.TopicID).String() + "/" + strconv.Itoa(int(tp.Partition))
}

// Disk is one data directory, held by one process. It may be used concurrently.
//
// Four goroutines belong to it: the commit loop, which turns appended into durable
// (see committer); the settler, which syncs what is durable in the journal alone; the
// keeper, which does what is not urgent: checkpoints, the index files of finished
// segments, the count of free bytes; and the cleaner, which compacts.
type Disk struct {
	o        Options
	identity Identity
	clean    bool // the previous shutdown was
	epoch    int64
	lock     io.Closer

	handles *handleCache
	commit  *committer
	journal *journal // nil but under the policy Always
	settle  *settler // nil without a journal
	keeper  *keeper
	cleaner *cleaner
	free    atomic.Uint64 // bytes, at the keeper's last look less what was appended since
	counted counters

	fullness fullness

	fatal  sync.Once
	failed atomic.Pointer[error]

	closing  ioLock // held by Close
	closeErr error  // guarded by closing

	mu     sync.Mutex
	logs   map[TopicPartition]*Log // guarded by mu; nil while one is being opened
	closed bool                    // guarded by mu
}

// Open takes hold of a data directory, which it makes if it is missing. A
// directory that is not for this process is ErrRefused with one sentence that
// says why: held by another process, a newer format, another cluster or node, an
// entry that nobody knows.
func Open(o Options) (*Disk, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("storage options: %w", err)
	}
	o.setDefaults()
	if err := vfs.MkdirAll(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := o.FS.Lock(o.Dir + "/" + lockFile)
	if errors.Is(err, vfs.ErrLocked) {
		return nil, refuse(o.Dir, "is in use by another process: stop that one or use another directory")
	} else if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	d := &Disk{o: o, lock: lock, closing: newIOLock(), logs: map[TopicPartition]*Log{}}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

func (d *Disk) open() (err error) {
	if d.identity, err = identify(&d.o); err != nil {
		return err
	}
	// A process that was killed may have left names here that are not on the disk.
	if err := d.o.FS.SyncDir(d.o.Dir); err != nil {
		return err
	}
	for _, dir := range []string{topicsDir, journalDir, quarantineDir} {
		if err := vfs.MkdirAll(d.o.FS, d.o.Dir+"/"+dir); err != nil {
			return err
		}
	}
	if err := d.o.FS.RemoveAll(d.o.Dir + "/" + journalDone); err != nil {
		return err
	}
	journal, err := readJournal(d.o.FS, d.o.Dir)
	if err != nil {
		return err
	}
	defer journal.close()
	if err := d.moveStrays(); err != nil {
		return err
	}
	if err := d.finishDeletions(); err != nil {
		return err
	}
	if d.epoch, d.clean, err = takeClean(d.o.FS, d.o.Dir); err != nil {
		return err
	}
	if err := d.measure(); err != nil {
		return err
	}
	d.handles = newHandleCache(d.o.FS, d.o.MaxOpenSegments)
	if err := d.replayJournal(journal); err != nil {
		return err
	}
	if d.o.Policy == Always && d.o.Journal != JournalOff {
		d.journal = newJournal(d)
		d.settle = startSettler(d, d.journal)
	}
	d.commit = startCommitter(d, d.journal)
	d.keeper = startKeeper(d)
	d.cleaner = startCleaner(d)
	return nil
}

// Identity is that of the directory.
func (d *Disk) Identity() Identity { return d.identity }

// Dir is the data directory.
func (d *Disk) Dir() string { return d.o.Dir }

// CleanShutdown is the broker epoch that the previous process gave to Close. ok is
// false if it did not get there: then the unsynced end of any log may be gone.
func (d *Disk) CleanShutdown() (brokerEpoch int64, ok bool) { return d.epoch, d.clean }

// Err is nil, or why the disk has failed.
func (d *Disk) Err() error {
	if err := d.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// fail stops all acknowledgements and tells the process, once. The caller holds
// no lock of a log.
func (d *Disk) fail(cause error) error {
	err := fmt.Errorf("%w: %s: %w: restart the node after checking the disk", ErrFailed, d.o.Dir, cause)
	d.failed.CompareAndSwap(nil, &err)
	d.fatal.Do(func() {
		d.o.Logger.Error("the disk has failed; nothing is acknowledged any more", "dir", d.o.Dir, "error", cause)
		for _, l := range d.openLogs() {
			l.wakeAll(err)
		}
		if d.o.Fatal != nil {
			d.o.Fatal(err)
		}
	})
	return d.Err()
}

// openLogs is every open log, ordered.
func (d *Disk) openLogs() []*Log {
	d.mu.Lock()
	list := make([]*Log, 0, len(d.logs))
	for _, l := range d.logs {
		if l != nil {
			list = append(list, l)
		}
	}
	d.mu.Unlock()
	slices.SortFunc(list, func(a, b *Log) int { return compareLogs(a.id, b.id) })
	return list
}

func compareLogs(a, b TopicPartition) int {
	return cmp.Or(slices.Compare(a.TopicID[:], b.TopicID[:]), cmp.Compare(a.Partition, b.Partition))
}

func (d *Disk) topicDir(id [16]byte) string {
	return d.o.Dir + "/" + topicsDir + "/" + uuid.UUID(id).String()
}

func (d *Disk) logDir(id TopicPartition) string {
	return d.topicDir(id.TopicID) + "/" + strconv.Itoa(int(id.Partition))
}

// fileName names something of a log in quarantine/.
func (tp TopicPartition) fileName(name string) string {
	base := uuid.UUID(tp.TopicID).String() + "-" + strconv.Itoa(int(tp.Partition))
	if name == "" {
		return base
	}
	return base + "-" + name
}

// Close closes every log and marks the directory as cleanly shut down in that
// broker epoch (-1 for none). A disk that has failed gets no mark, and Close is
// ErrFailed. It may be called twice, with the same result.
func (d *Disk) Close(brokerEpoch int64) error {
	return d.close(func() error { return writeClean(d.o.FS, d.o.Dir, brokerEpoch) })
}

// CloseUnused is Close for a caller who did not come to open what is there: the
// directory is marked as it was found. After a crash, logs that nobody has recovered
// are not clean because nothing was done to them.
func (d *Disk) CloseUnused() error {
	return d.close(func() error {
		if !d.clean {
			return nil
		}
		return writeClean(d.o.FS, d.o.Dir, d.epoch)
	})
}

func (d *Disk) close(mark func() error) error {
	d.closing.lock()
	defer d.closing.unlock()
	// 1. Stop intake: no log opens any more.
	d.mu.Lock()
	was := d.closed
	d.closed = true
	d.mu.Unlock()
	if was {
		return d.closeErr
	}
	// 2. Finish: nothing happens in the background.
	d.cleaner.close()
	d.keeper.stop()
	// 3. Flush: every log is durable and has a checkpoint.
	var errs []error
	for _, l := range d.openLogs() {
		if err := l.Close(); !errors.Is(err, ErrFailed) { // said once, below
			errs = append(errs, err)
		}
	}
	d.commit.stop()
	if d.journal != nil {
		d.settle.stop()
		errs = append(errs, d.journal.close(errors.Join(append(errs, d.Err())...) == nil))
	}
	// 4. Mark, but only what is true.
	err := errors.Join(append(errs, d.Err())...)
	if err == nil {
		err = mark()
	}
	// 5. Let go.
	d.closeErr = errors.Join(err, d.lock.Close())
	return d.closeErr
}
