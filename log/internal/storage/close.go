package storage

import (
	"errors"
	"fmt"
	"slices"
)

// Close makes everything durable, writes a checkpoint and closes the files. On a disk
// that has failed it only closes them, and is ErrFailed: nobody knows what is durable.
// It may be called twice; the second time there is nothing to say.
func (l *Log) Close() error {
	l.keeping.lock()
	l.writing.lock()
	l.syncing.lock()
	err := l.close(true)
	l.syncing.unlock()
	l.writing.unlock()
	l.keeping.unlock()
	l.awaitCleaning()
	if errors.Is(err, errTold) {
		return nil
	}
	return l.settle("close", err)
}

// abandon closes the files of a log whose directory is going away. Who calls it has the
// journal release the log.
func (l *Log) abandon() {
	l.keeping.lock()
	l.writing.lock()
	l.syncing.lock()
	if j := l.disk.journal; j != nil {
		j.hold(l)
	}
	_ = l.close(false)
	l.syncing.unlock()
	l.writing.unlock()
	l.keeping.unlock()
	l.awaitCleaning()
}

// awaitCleaning waits until nobody compacts a log that is closed.
func (l *Log) awaitCleaning() {
	l.cleaning.lock()
	l.cleaning.unlock()
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
	if save && l.disk.Err() == nil { // what the journal has is to be here, even of a damaged log
		err = l.syncNow()
	}
	if save && err == nil {
		err = l.disk.Err()
	}
	if save && err == nil && was == nil && l.disk.Err() == nil {
		l.announceClosing()
		if err = l.save(); isFull(err) {
			l.disk.o.Logger.Warn("closed without a checkpoint, the next start reads more", "log", l.id.String(), "error", err)
			err = nil
		}
	}
	l.mu.Lock()
	l.broken = ErrClosed
	if l.stopCleaning != nil {
		l.stopCleaning()
	}
	files := l.finished
	if l.active != nil {
		files = append(files, l.active)
	}
	l.active, l.activeDirty, l.dirDirty, l.finished = nil, false, false, nil
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
