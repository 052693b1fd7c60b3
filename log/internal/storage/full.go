package storage

import (
	"sync"
	"time"
)

// fullness is whether the disk has refused something for lack of room. A full disk
// refuses a thousand appends a second, each with its own error to its client; the
// operator is told once, with what to do, and once when it is over.
type fullness struct {
	mu      sync.Mutex
	full    bool      // guarded by mu, as the rest
	told    bool      // the operator knows
	toldAt  time.Time // when that was
	refused bool      // since the keeper's last look
}

// tellAgain is between two reports of a disk that is full now and then.
const tellAgain = time.Minute

// refusedFor notes that there was no room, and for what.
func (d *Disk) refusedFor(cause error) {
	f := &d.fullness
	f.mu.Lock()
	f.refused = true
	tell := !f.full && (f.toldAt.IsZero() || time.Since(f.toldAt) >= tellAgain)
	if tell {
		f.told, f.toldAt = true, time.Now()
	}
	f.full = true
	f.mu.Unlock()
	if tell {
		d.o.Logger.Error("the disk is full: writes are refused until there is room. Delete topics or records, lower the retention, or enlarge the volume; the node goes on by itself",
			"dir", d.o.Dir, "free_bytes", d.free.Load(), "reserved_bytes", d.o.MinFreeBytes, "error", cause)
	}
}

// lookForRoom is the keeper's: the disk is no longer full once there is clearly more
// room than clients must leave and nobody was refused since the last look.
func (d *Disk) lookForRoom() {
	f := &d.fullness
	free := d.free.Load()
	f.mu.Lock()
	over := f.full && !f.refused && free >= d.o.MinFreeBytes+d.o.MinFreeBytes/2
	f.refused = false
	tell := over && f.told
	if over {
		f.full, f.told = false, false
	}
	f.mu.Unlock()
	if tell {
		d.o.Logger.Info("there is room on the disk again: writes are accepted", "dir", d.o.Dir, "free_bytes", free)
	}
}
