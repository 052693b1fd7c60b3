package meta

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// openPebble opens a database. Pebble panics if the disk fails while it makes one, and
// if it cannot write the table that it makes of its write-ahead log it tries again,
// at once and for ever; a node that does not start says why in a sentence.
//
// There is no way to call off a Pebble that is opening. What is left of it waits for
// the end of the flush that is not tried again: it does nothing, and has the database's
// lock until the process ends, so that only another one can open the directory.
func openPebble(dir string, o *pebble.Options) (*pebble.DB, error) {
	type opened struct {
		db  *pebble.DB
		err error
	}
	done, opening := make(chan opened, 2), new(atomic.Bool) // the flush's end and the opening's
	opening.Store(true)
	o.EventListener = &pebble.EventListener{FlushEnd: func(info pebble.FlushInfo) {
		var errno syscall.Errno // other errors say that there was nothing to write
		if errors.As(info.Err, &errno) && opening.Load() {
			done <- opened{err: fmt.Errorf("%w: make room on the disk, or see to it, and start again", info.Err)}
			runtime.Goexit() // the goroutine of the flush, before it starts the next
		}
	}}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- opened{err: fmt.Errorf("the disk failed: %v", p)}
			}
		}()
		db, err := pebble.Open(dir, o)
		opening.Store(false)
		done <- opened{db, err}
	}()
	result := <-done
	return result.db, result.err
}
