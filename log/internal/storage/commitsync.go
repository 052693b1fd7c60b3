package storage

import (
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// syncJob is what one round does for one log.
type syncJob struct {
	log      *Log
	target   int64      // the log's end
	active   vfs.File   // to sync, nil if clean
	finished []vfs.File // to sync and close: segments that were rolled
	dir      bool       // a file was made
	// round is the first in whose record entries above target can stand.
	round uint64
	at    time.Time
}

// syncFiles syncs all files of some jobs, several at a time: a disk orders
// parallel syncs better than a loop does.
func syncFiles(fsys vfs.FS, jobs []syncJob, parallel int) error {
	return runAll(syncCalls(fsys, jobs), parallel)
}

func syncCalls(fsys vfs.FS, jobs []syncJob) []func() error {
	var calls []func() error
	for i := range jobs {
		j := &jobs[i]
		if j.active != nil {
			calls = append(calls, func() error { return syncFile(j.active) })
		}
		for _, f := range j.finished {
			calls = append(calls, func() error {
				if err := syncFile(f); err != nil {
					return err
				}
				return f.Close()
			})
		}
		if j.dir {
			calls = append(calls, func() error {
				if err := fsys.SyncDir(j.log.dir); err != nil {
					return fmt.Errorf("sync directory %s: %w", j.log.dir, err)
				}
				return nil
			})
		}
	}
	return calls
}

func syncFile(f vfs.File) error {
	if err := f.SyncData(); err != nil {
		return fmt.Errorf("sync segment %s: %w", path.Base(f.Name()), err)
	}
	return nil
}

// runAll makes all calls, some at a time, and returns the first error.
func runAll(calls []func() error, parallel int) error {
	switch len(calls) {
	case 0:
		return nil
	case 1:
		return calls[0]()
	}
	var next atomic.Int64
	var first atomic.Pointer[error]
	var wg sync.WaitGroup
	for range min(parallel, len(calls)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(calls)) && first.Load() == nil; i = next.Add(1) - 1 {
				if err := calls[i](); err != nil {
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}
