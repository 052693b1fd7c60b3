package engine

import (
	"sync"

	"github.com/millrace/millrace/statestore"
)

// flusher makes checkpoints durable beside the tasks: a flush waits for the disk,
// and tasks must not.
type flusher struct {
	store *statestore.Store
	want  pulse
	stop  chan struct{}
	done  sync.WaitGroup

	mu  sync.Mutex
	err error // guarded by mu; the first failure
}

func newFlusher(store *statestore.Store) *flusher {
	f := &flusher{store: store, want: newPulse(), stop: make(chan struct{})}
	f.done.Go(f.run)
	return f
}

func (f *flusher) run() {
	for {
		select {
		case <-f.want.c:
			if err := f.store.Flush(); err != nil {
				f.mu.Lock()
				f.err = err
				f.mu.Unlock()
				return
			}
		case <-f.stop:
			return
		}
	}
}

// ask has everything flushed that was written so far.
func (f *flusher) ask() { f.want.beat() }

// failed is the error of a flush that failed.
func (f *flusher) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// close ends the goroutine; a flush in progress ends first.
func (f *flusher) close() error {
	close(f.stop)
	f.done.Wait()
	return f.failed()
}
