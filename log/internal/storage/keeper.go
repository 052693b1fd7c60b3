package storage

import (
	"errors"
	"time"
)

// keeper does for all logs of a disk what is not urgent: it writes the index files
// of finished segments and checkpoints, closes files that nobody writes to, and
// looks up the free space. What it writes are caches: if it cannot (the disk is
// full), it tries again at the next turn.
type keeper struct {
	d    *Disk
	quit chan struct{}
	done chan struct{}
}

const (
	keepInterval = time.Second
	// idleTime is how long a log's file stays open for appends that do not come.
	idleTime = time.Minute
)

func startKeeper(d *Disk) *keeper {
	k := &keeper{d: d, quit: make(chan struct{}), done: make(chan struct{})}
	go k.loop()
	return k
}

func (k *keeper) stop() {
	close(k.quit)
	<-k.done
}

func (k *keeper) loop() {
	defer close(k.done)
	t := time.NewTicker(keepInterval)
	defer t.Stop()
	for {
		select {
		case <-k.quit:
			return
		case now := <-t.C:
			if k.d.Err() == nil {
				k.turn(now)
			}
		}
	}
}

func (k *keeper) turn(now time.Time) {
	if err := k.d.measure(); err != nil {
		k.d.o.Logger.Warn("cannot look up the free space", "dir", k.d.o.Dir, "error", err)
	}
	k.d.lookForRoom()
	for _, l := range k.d.openLogs() {
		select {
		case <-k.quit:
			return
		default:
		}
		// Of a full disk the disk tells, of a damaged partition who found the damage.
		if err := l.keep(now); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFull) && !errors.Is(err, ErrCorrupt) {
			k.d.o.Logger.Warn("cannot write indexes and checkpoint, will try again", "log", l.id.String(), "error", err)
		}
	}
}
