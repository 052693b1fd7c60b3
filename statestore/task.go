package statestore

import "time"

// Position is what a checkpoint stores beside a state partition's entries.
type Position struct {
	// Offset is the next changelog offset to replay: everything below it is in
	// the checkpoint.
	Offset int64
	Epoch  uint64    // the last committed epoch that the checkpoint includes
	Time   time.Time // wall time of the checkpoint, for Fresh
	Meta   []byte    // opaque, the engine's: source positions included
}

// Task is the live state of a set of state partitions. One goroutine at a time
// uses it and its views.
//
// Life of a task, in the engine's order:
//
//	Load                              Pebble's content comes up
//	Position(p), Restore(p, k, v)...  the changelog's tail, committed records only
//	View(op)                          operators open
//	{ writes; Changes; Commit | Abort }   epochs
//	Checkpoint (between epochs), Store.Flush
//	Release                           the partitions are free again
type Task struct{}

// Load reads what the last flushed checkpoint of this task's partitions holds.
// It is called once, before everything else.
func (t *Task) Load() error { panic("being written") }

// Position is what the loaded or last written checkpoint of a partition recorded;
// false if there is none: restore from the start of the changelog.
func (t *Task) Position(partition int32) (Position, bool) { panic("being written") }

// Restore applies one committed changelog record; value nil is a tombstone.
// Replaying a record that is already included is harmless, as long as every later
// one is replayed too. key and value are copied.
func (t *Task) Restore(partition int32, key, value []byte) error { panic("being written") }

// Wipe forgets a partition in memory and on disk, so that it can be restored from
// the start of the changelog.
func (t *Task) Wipe(partition int32) error { panic("being written") }

// View is the state of one operator. The same operator gets the same view.
func (t *Task) View(operator string) *View { panic("being written") }

// Changes calls fn with one whole value per key that changed since the last Commit
// or Abort; a nil value is a tombstone (a value is never empty otherwise). key and
// value are lent for the call. An error of fn ends the walk and is returned.
func (t *Task) Changes(fn func(partition int32, key, value []byte) error) error {
	panic("being written")
}

// Commit makes the changes since the last Commit or Abort final.
func (t *Task) Commit(epoch uint64) { panic("being written") }

// Abort takes back every change since the last Commit or Abort. Tables and slots
// that operators hold are invalid after it.
func (t *Task) Abort() { panic("being written") }

// Checkpoint writes all committed, dirty entries with the given positions, one per
// partition of the task. It is called between epochs and is durable after the next
// Store.Flush. It is BeginCheckpoint and StepCheckpoint until done.
func (t *Task) Checkpoint(positions map[int32]Position) error { panic("being written") }

// BeginCheckpoint starts a checkpoint that StepCheckpoint writes in slices between
// epochs. The positions are those of now.
func (t *Task) BeginCheckpoint(positions map[int32]Position) error { panic("being written") }

// StepCheckpoint writes about maxBytes more of the running checkpoint; done is true
// once the positions are written (or if none is running).
func (t *Task) StepCheckpoint(maxBytes int) (done bool, err error) { panic("being written") }

// OverBudget says that the store's memory budget is nearly used: close the epoch
// and checkpoint now. Writes fail with ErrMemory once it is used up.
func (t *Task) OverBudget() bool { panic("being written") }

// Stats is a task's size, for metrics and for deciding on checkpoints.
type Stats struct {
	Bytes       int64 // live state in memory
	Keys        int64 // live keys
	Dirty       int64 // committed entries not yet checkpointed
	Uncommitted int64 // entries changed in the open epoch
	OpenTimers  int64
	OpenWindows int64 // namespaces other than 0
}

// Stats is the task's size now.
func (t *Task) Stats() Stats { panic("being written") }

// Release gives the partitions back to the store. Uncheckpointed state is dropped.
func (t *Task) Release() { panic("being written") }
