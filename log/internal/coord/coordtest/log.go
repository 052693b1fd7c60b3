package coordtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/record"
)

// Log is a coord.Log in memory, for hosts. It may be used concurrently.
type Log struct {
	mu        sync.Mutex
	batches   [][]byte
	bases     []int64
	end       int64
	committed int64
	held      []func() // of appends that wait for Release
	hold      bool
	failing   error
	changed   chan struct{} // closed and replaced when committed rises
}

var _ coord.Log = (*Log)(nil)

// NewLog returns an empty log that commits at once.
func NewLog() *Log { return &Log{changed: make(chan struct{})} }

// Hold keeps what is appended from now on uncommitted, until Release.
func (l *Log) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold = true
}

// Release commits everything and ends Hold.
func (l *Log) Release() {
	l.mu.Lock()
	l.hold = false
	held := l.held
	l.held = nil
	l.commit()
	l.mu.Unlock()
	for _, f := range held {
		f()
	}
}

// Fail makes appends fail with err from now on, without happening; nil ends that.
func (l *Log) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err
}

// commit makes everything committed; with mu held.
func (l *Log) commit() {
	l.committed = l.end
	close(l.changed)
	l.changed = make(chan struct{})
}

// Append implements coord.Log.
func (l *Log) Append(batch []byte, committed func(int64, error)) {
	l.mu.Lock()
	if l.failing != nil {
		err := l.failing
		l.mu.Unlock()
		committed(0, err)
		return
	}
	h, err := record.Check(batch, record.Limits{})
	if err != nil {
		l.mu.Unlock()
		committed(0, err)
		return
	}
	base := l.end
	b := slices.Clone(batch)
	record.SetBaseOffset(b, base)
	l.batches, l.bases = append(l.batches, b), append(l.bases, base)
	l.end += int64(h.LastOffsetDelta) + 1
	if l.hold {
		l.held = append(l.held, func() { committed(base, nil) })
		l.mu.Unlock()
		return
	}
	l.commit()
	l.mu.Unlock()
	committed(base, nil)
}

// Start implements coord.Log.
func (l *Log) Start() int64 { return 0 }

// End implements coord.Log.
func (l *Log) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// WaitCommitted implements coord.Log.
func (l *Log) WaitCommitted(ctx context.Context, offset int64) error {
	for {
		l.mu.Lock()
		done, changed := l.committed >= offset, l.changed
		l.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Read implements coord.Log.
func (l *Log) Read(_ context.Context, offset int64, maxBytes int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset > l.end {
		return nil, errors.New("offset out of range")
	}
	i, found := slices.BinarySearch(l.bases, offset)
	if !found {
		i--
	}
	var out []byte
	for ; i >= 0 && i < len(l.batches) && (len(out) == 0 || len(out)+len(l.batches[i]) <= maxBytes); i++ {
		out = append(out, l.batches[i]...)
	}
	return out, nil
}
