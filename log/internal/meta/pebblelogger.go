package meta

import (
	"fmt"
	"log/slog"
	"sync/atomic"
)

// pebbleLogger tells slog what Pebble has to say, and remembers the failure after
// which Pebble would go on: its Commit gives no error when the write-ahead log
// cannot be synced, it calls Fatalf.
type pebbleLogger struct {
	logger *slog.Logger
	fatal  atomic.Pointer[error]
}

func (p *pebbleLogger) Infof(format string, args ...any) {
	p.logger.Debug("metadata log: " + fmt.Sprintf(format, args...))
}

func (p *pebbleLogger) Errorf(format string, args ...any) {
	p.logger.Warn("metadata log: " + fmt.Sprintf(format, args...))
}

func (p *pebbleLogger) Fatalf(format string, args ...any) {
	failure := &fatalError{message: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if cause, ok := a.(error); ok {
			failure.cause = cause // which %v hides
		}
	}
	err := error(failure)
	p.fatal.CompareAndSwap(nil, &err)
}

func (p *pebbleLogger) err() error {
	if e := p.fatal.Load(); e != nil {
		return *e
	}
	return nil
}

// fatalError is what Pebble said last, and why.
type fatalError struct {
	message string
	cause   error
}

func (e *fatalError) Error() string { return e.message }
func (e *fatalError) Unwrap() error { return e.cause }
