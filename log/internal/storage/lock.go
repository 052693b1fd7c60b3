package storage

// ioLock is a mutex that may be held across calls of the file system. It is a
// channel, because under testing/synctest a goroutine that waits for a sync.Mutex
// keeps virtual time from passing, and the disk of a simulation sleeps.
type ioLock chan struct{}

func newIOLock() ioLock { return make(ioLock, 1) }

func (l ioLock) lock() { l <- struct{}{} }

func (l ioLock) tryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l ioLock) unlock() { <-l }
