package statestore

import (
	"log/slog"

	"github.com/millrace/millrace/internal/vfs"
)

// Options says where a store lives and whose it is.
type Options struct {
	FS       vfs.FS       // default vfs.OS()
	Dir      string       // created if need be; nothing else may be in it
	Identity Identity     // whose state it is; checked against what the directory says
	Logger   *slog.Logger // default slog.Default()

	// MemoryBytes is the budget for live state of all tasks together; default 256 MiB.
	MemoryBytes int64

	// Fatal is called once, with the first error after which nothing can be written
	// any more (a full disk, a failed fsync). The store answers every later
	// checkpoint with that error. May be nil.
	Fatal func(error)
}

// Store is the state of one pipeline on one worker: one Pebble database that
// tasks load from and checkpoint into. It may be used concurrently; a Task may
// not.
type Store struct{}

// Open opens or creates a store.
func Open(o Options) (*Store, error) { panic("being written") }

// Task makes the owner of a set of state partitions. A partition that another
// task of this store owns is an error.
func (s *Store) Task(partitions []int32) (*Task, error) { panic("being written") }

// Flush makes everything that checkpoints wrote before the call durable. It blocks
// on the disk, may run beside tasks, and is meant for one goroutine per worker.
func (s *Store) Flush() error { panic("being written") }

// Close releases the directory. Tasks must be idle. What was written and not
// flushed may be lost, as after a crash; the changelog has it.
func (s *Store) Close() error { panic("being written") }
