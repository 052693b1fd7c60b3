package broker

import (
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/log/internal/quota"
)

// pace keeps a connection within its quotas: who owes something is not read.
//
// The simple way is to have the worker wait before it handles the next request. But the
// reader is ahead of it, and then frames wait for half a minute each in memory that
// everybody's requests share, while nobody notices that their client has gone. So:
//
//  1. Only the reader waits, between the first bytes of a frame and the rest. A mute
//     connection holds those (readAhead at most) and its place, and no budget of any memory.
//     It waits for the first bytes as it always does, so it notices at once that the
//     peer has gone, if that has sent nothing more. If it has, its requests count (a
//     Produce without acknowledgement is done although nobody waits for it), and are
//     handled when their time has come.
//  2. The rest of a frame is read ahead of the worker only if the client has no quota,
//     so that what one request has used up is known before the next one is paid for.
//     As in Kafka, which reads one request of a connection at a time.
//  3. What was read is handled without a wait.
//
// A connection that waits for room in a shared memory holds nothing either, but for its
// place in the line. Who holds that room gives it back in a bounded time (Limits), and
// a peer that has gone meanwhile is noticed when the turn has come.
type pace struct {
	mute    mute
	held    atomic.Bool   // the client has a quota, as far as is known
	handled atomic.Int64  // frames that the worker is done with
	wake    chan struct{} // of capacity 1: handled has risen
}

// done notes that the worker is through with a frame.
func (p *pace) done() {
	p.handled.Add(1)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// wait returns when the rest of a frame may be read, of a connection of which so many
// frames are read, or when one of the channels is closed.
func (p *pace) wait(read int64, either, or <-chan struct{}) {
	for p.held.Load() && p.handled.Load() < read {
		select {
		case <-p.wake:
		case <-either:
			return
		case <-or:
			return
		}
	}
	p.mute.wait(either, or)
}

// patience is how long a silent connection is kept: a client may have been told to be
// silent.
func (p *pace) patience(idle time.Duration) time.Duration {
	if p.held.Load() {
		return idle + quota.MaxThrottle
	}
	return idle
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
