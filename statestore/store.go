// Package statestore remembers: keyed state of one worker and pipeline, live in
// open-addressing tables, captured per epoch, written back to Pebble at
// checkpoints and restored from the changelog.
//
// Pebble per event would cost a microsecond or more, a table costs ten
// nanoseconds. So the tables are the state; the changelog, one record per key and
// epoch, is what makes it durable; and Pebble is a checkpoint that shortens the
// replay of the changelog after a restart. It is written without a log of its own
// and may lose its tail in a crash: the position it holds says where the replay
// begins.
//
//	store, err := statestore.Open(statestore.Options{Dir: dir, Identity: id})
//	task, err := store.Task([]int32{0, 1, 2, 3})
//	err = task.Load()
//	// task.Restore(...) for each changelog record from task.Position(p) on
//	view := task.View("per_ad_minute") // what an operator gets as Context.State
//
// It does not know the log, epochs' transactions or operators: the engine carries
// Changes into the changelog and calls Commit once that is decided.
package statestore

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/millrace/millrace/internal/vfs"
)

const (
	lockFile     = "LOCK"
	databaseDir  = "db"
	memTableSize = 32 << 20
	cacheSize    = 8 << 20
	// formatVersion of Pebble's files is raised by hand, so that an update of the
	// library does not make a directory unreadable for the version before.
	formatVersion = pebble.FormatValueSeparation

	defaultMemory = 256 << 20
)

// Options says where a store lives and whose it is.
type Options struct {
	FS       vfs.FS       // default vfs.OS()
	Dir      string       // created if need be; nothing else may be in it
	Identity Identity     // whose state it is; checked against what the directory says
	Logger   *slog.Logger // default slog.Default()

	// MemoryBytes is the budget for live state of all tasks together; default 256 MiB.
	// State that was written within it always loads; beyond it writes fail with
	// ErrMemory.
	MemoryBytes int64

	// Fatal is called once, with the first error after which Pebble cannot write any
	// more (a failed fsync of its manifest). Checkpoints and Flush answer with that
	// error from then on. May be nil.
	Fatal func(error)
}

// Store is the state of one pipeline on one worker: one Pebble database that
// tasks load from and checkpoint into. It may be used concurrently; a Task may
// not.
type Store struct {
	db     *pebble.DB
	lock   io.Closer
	budget budget
	health *health
	dir    string
	total  int32 // state partitions of the pipeline

	mu sync.Mutex
	// owned is guarded by mu: partitions that tasks have.
	owned map[int32]*Task
	// closed is guarded by mu.
	closed bool
}

// Open opens or creates a store. A directory of another pipeline, or one that is
// no state directory, is ErrIdentity; one that a running process holds is
// vfs.ErrLocked. Both say what to do.
func Open(o Options) (*Store, error) {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemory
	}
	if n := o.Identity.Partitions; n < 1 || n > maxPartitions {
		return nil, fmt.Errorf("options.state_partitions is %d; it must be between 1 and %d", n, maxPartitions)
	}
	if err := vfs.MkdirAll(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("state directory %s: %w", o.Dir, err)
	}
	lock, err := o.FS.Lock(path.Join(o.Dir, lockFile))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("state directory %s: %w; stop that process or use another directory", o.Dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", o.Dir, err)
	}
	s := &Store{lock: lock, dir: o.Dir, total: o.Identity.Partitions, owned: map[int32]*Task{},
		health: newHealth(o.Logger, o.Fatal), budget: budget{limit: o.MemoryBytes}}
	if err := s.open(o); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Store) open(o Options) error {
	if err := checkIdentity(o.FS, o.Dir, o.Identity); err != nil {
		return err
	}
	cache := pebble.NewCache(cacheSize)
	defer cache.Unref() // the database keeps its own reference
	events := pebble.EventListener{BackgroundError: s.health.background}
	db, err := pebble.Open(path.Join(o.Dir, databaseDir), &pebble.Options{
		FS:                          pausing{vfs.Pebble(o.FS), s.health},
		Cache:                       cache,
		DisableWAL:                  true,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: 4,
		FormatMajorVersion:          formatVersion,
		Logger:                      s.health,
		EventListener:               &events,
	})
	if err != nil {
		return fmt.Errorf("state directory %s: open its database: %w; if it cannot be repaired, remove the directory to rebuild the state from the changelog", o.Dir, err)
	}
	s.db = db
	return nil
}

// Task makes the owner of a set of state partitions. A partition that another
// task of this store owns, or that the pipeline does not have, is an error.
func (s *Store) Task(partitions []int32) (*Task, error) {
	own := slices.Clone(partitions)
	slices.Sort(own)
	t := newTask(s, own)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range own {
		switch {
		case p < 0 || p >= s.total:
			return nil, fmt.Errorf("state partition %d: the pipeline has %d", p, s.total)
		case s.owned[p] != nil || i > 0 && own[i-1] == p:
			return nil, fmt.Errorf("state partition %d has an owner already", p)
		}
	}
	for _, p := range own {
		s.owned[p] = t
	}
	return t, nil
}

func (s *Store) release(t *Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range t.partitions {
		delete(s.owned, p)
	}
}

// Flush makes everything that checkpoints wrote before the call durable. It blocks
// on the disk, may run beside tasks, and is meant for one goroutine per worker.
// After an error, a full disk for instance, it may be tried again; what it could
// not write stays in memory.
func (s *Store) Flush() error {
	if err := s.health.failed(); err != nil {
		return err
	}
	trouble := s.health.watch()
	done, err := s.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("state directory %s: flush: %w", s.dir, err)
	}
	select {
	case <-done:
		return s.health.failed()
	case err := <-trouble:
		return fmt.Errorf("state directory %s: flush: %w", s.dir, err)
	}
}

// MemoryBytes is the live state of all tasks, and the budget.
func (s *Store) MemoryBytes() (used, limit int64) { return s.budget.used.Load(), s.budget.limit }

// Close releases the directory. Tasks must be idle. What was checkpointed and not
// flushed may be lost, as after a crash; the changelog has it. Close may be called
// twice.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.db.Close(), s.lock.Close())
}
