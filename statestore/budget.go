package statestore

import (
	"fmt"
	"sync/atomic"
)

// budget counts the memory of all tasks of a store against its limit. Tables charge
// what they allocate when they grow, undo lists and indexes included.
type budget struct {
	limit int64
	used  atomic.Int64
}

// adviceShare of the budget in use is when OverBudget begins to say so.
const adviceShare = 0.8

// charge counts bytes. While state is loaded, restored or given its layout it does not
// refuse: what once fitted must come up again, although it is held twice for a moment.
func (t *Task) charge(bytes int64, operator string) error {
	t.charged += bytes
	used := t.store.budget.used.Add(bytes)
	if bytes > 0 && used > t.store.budget.limit && !t.restoring {
		return fmt.Errorf("operator %s: %w: live state takes %d MiB and may take %d MiB, its share of options.state_memory; raise options.state_memory, narrow the windows or the key, or spread the pipeline over more workers",
			operator, ErrMemory, used>>20, t.store.budget.limit>>20)
	}
	return nil
}

func (t *Task) uncharge(bytes int64) {
	t.charged -= bytes
	t.store.budget.used.Add(-bytes)
}

// OverBudget says that the store's memory budget is nearly used: close the epoch
// now, which frees undo lists and closed windows, and checkpoint, which frees
// removed keys. Writes fail with ErrMemory once it is used up.
func (t *Task) OverBudget() bool {
	b := &t.store.budget
	return float64(b.used.Load()) > adviceShare*float64(b.limit)
}

// dropSpares gives the memory that waits for new windows back.
func (t *Task) dropSpares() {
	for _, v := range t.views {
		for _, ts := range v.spaces {
			for _, spare := range ts.spare {
				t.uncharge(spare.size)
			}
			ts.spare = nil
		}
	}
}
