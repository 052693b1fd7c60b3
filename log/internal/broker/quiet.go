package broker

import (
	"sync"
	"time"
)

// maxReports is the number of lines about clients in a second.
const maxReports = 10

// quiet thins out log lines that clients can cause. The zero value is ready; it
// may be used concurrently.
type quiet struct {
	mu         sync.Mutex
	window     time.Time // start of the second that is counted
	count      int
	suppressed int
}

// allow tells whether a line may be written, and how many were not since the last.
func (q *quiet) allow(now time.Time) (suppressed int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.window) >= time.Second {
		q.window, q.count = now, 0
	}
	if q.count++; q.count > maxReports {
		q.suppressed++
		return 0, false
	}
	suppressed, q.suppressed = q.suppressed, 0
	return suppressed, true
}
