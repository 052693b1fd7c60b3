package statestore

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	pebblevfs "github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// retryPause slows Pebble's retries, which otherwise follow each other at once.
	retryPause = 200 * time.Millisecond
	// warnEvery bounds how often a lasting trouble is logged.
	warnEvery = 10 * time.Second
)

// health hears what goes wrong inside Pebble, which reports to a logger and an
// event listener what nobody calls for: a flush that failed and will be tried
// again (background), and errors after which nothing can be written (Fatalf).
type health struct {
	logger *slog.Logger
	fatal  func(error)

	mu sync.Mutex
	// err is guarded by mu: the first fatal error.
	err error
	// watcher is guarded by mu: where the next background error goes.
	watcher chan error
	// lastTrouble and lastWarning are guarded by mu.
	lastTrouble, lastWarning time.Time
}

func newHealth(logger *slog.Logger, fatal func(error)) *health {
	return &health{logger: logger, fatal: fatal}
}

// watch is a channel that gets the next error, whichever kind it is.
func (h *health) watch() <-chan error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watcher = make(chan error, 1)
	return h.watcher
}

func (h *health) failed() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// broken records an error after which memory and disk may disagree.
func (h *health) broken(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
	return err
}

func (h *health) tell(err error) {
	select {
	case h.watcher <- err:
	default: // told already, or nobody watches
	}
}

func (h *health) background(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastTrouble = time.Now()
	if h.lastTrouble.Sub(h.lastWarning) > warnEvery {
		h.lastWarning = h.lastTrouble
		h.logger.Warn("state: a background write failed and is tried again until it works", "err", err.Error())
	}
	h.tell(err)
}

// pausing is a file system that waits a little before it creates a file if the last
// attempt to write one has just failed: Pebble calls Create without a lock, but
// reports failures under one.
type pausing struct {
	pebblevfs.FS
	h *health
}

func (p pausing) Create(name string, category pebblevfs.DiskWriteCategory) (pebblevfs.File, error) {
	p.h.mu.Lock()
	since := time.Since(p.h.lastTrouble)
	p.h.mu.Unlock()
	if since < retryPause {
		time.Sleep(retryPause - since)
	}
	return p.FS.Create(name, category)
}

// Infof is part of Pebble's logger; its notices are of no use to a user.
func (h *health) Infof(format string, args ...any) {
	h.logger.Debug("state: " + fmt.Sprintf(format, args...))
}

// Errorf is part of Pebble's logger.
func (h *health) Errorf(format string, args ...any) {
	h.logger.Error("state: " + fmt.Sprintf(format, args...))
}

// Fatalf is part of Pebble's logger. Pebble returns an error after it, or goes on
// without having written; the store refuses to write from here on.
func (h *health) Fatalf(format string, args ...any) {
	err := fmt.Errorf("state: "+format, args...)
	h.logger.Error(err.Error())
	h.mu.Lock()
	first := h.err == nil
	if first {
		h.err = err
	}
	h.tell(err)
	h.mu.Unlock()
	if first && h.fatal != nil {
		h.fatal(err)
	}
}
