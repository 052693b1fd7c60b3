package broker

import (
	"sync/atomic"
	"time"
)

// pace keeps a connection within what quotas allow.
type pace struct {
	mute mute          // neither the reader nor the worker begins anything meanwhile
	slow atomic.Bool   // the last request was throttled
	took chan struct{} // of capacity 1: the worker has taken a frame
}

func newPace() pace { return pace{took: make(chan struct{}, 1)} }

// slowDown notes how long the client has to wait after a request; 0 is not at all.
func (p *pace) slowDown(delay time.Duration) {
	p.mute.add(delay)
	p.slow.Store(delay > 0)
}

// taken notes that the worker has taken a frame.
func (p *pace) taken() {
	select {
	case p.took <- struct{}{}:
	default:
	}
}

// wait keeps the reader from reading while the connection is mute, and from reading
// ahead of the worker while it is throttled: frames that wait half a minute for their
// turn would hold the memory that everybody's requests share.
func (p *pace) wait(requests <-chan frame, either, or <-chan struct{}) {
	p.mute.wait(either, or)
	for p.slow.Load() && len(requests) > 0 {
		select {
		case <-p.took:
		case <-either:
			return
		case <-or:
			return
		}
	}
}

// sleep waits for so long, or until one of the channels is closed.
func sleep(d time.Duration, either, or <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-either:
	case <-or:
	}
}

// mute keeps a connection from being read until a moment. The zero value is not mute;
// it may be used concurrently.
type mute struct{ until atomic.Int64 } // Unix nanoseconds

// add makes it mute for d from now, unless it is for longer already.
func (m *mute) add(d time.Duration) {
	if d <= 0 {
		return
	}
	until := time.Now().Add(d).UnixNano()
	for {
		old := m.until.Load()
		if old >= until || m.until.CompareAndSwap(old, until) {
			return
		}
	}
}

// wait returns when it is mute no more, or one of the channels is closed.
func (m *mute) wait(either, or <-chan struct{}) {
	for until := m.until.Load(); until != 0; until = m.until.Load() {
		if d := time.Until(time.Unix(0, until)); d > 0 {
			sleep(d, either, or)
			select {
			case <-either:
				return
			case <-or:
				return
			default:
				continue
			}
		}
		m.until.CompareAndSwap(until, 0)
	}
}
