package sim

import (
	"errors"
	"time"
)

// ErrLost is the outcome of an append whose node crashed, or whose disk failed it.
var ErrLost = errors.New("append lost, or perhaps not")

// Log is a partition's log on a simulated disk, across the lives of its node. What
// is appended becomes durable some milliseconds later, in order; a crash loses a
// random tail of what was not. It is the log of a core that has no replicas.
type Log struct {
	sim     *Sim
	batches []Batch
	durable int // number of batches
	end     int64
	syncing bool
	waiting []logWaiter
}

// Batch is what one append put into a Log.
type Batch struct {
	BaseOffset int64
	Records    int
	Data       []byte
}

type logWaiter struct {
	base int64
	done func(baseOffset int64, err error)
}

// NewLog returns an empty log.
func (s *Sim) NewLog() *Log { return &Log{sim: s} }

// Append adds a batch of so many records on a node, and calls done once it is
// durable, if the node lives that long.
func (l *Log) Append(n *Node, data []byte, records int, done func(baseOffset int64, err error)) {
	base := l.end
	l.batches = append(l.batches, Batch{base, records, data})
	l.end += int64(records)
	l.waiting = append(l.waiting, logWaiter{base, done})
	if !l.syncing {
		l.syncing = true
		n.After(l.sim.Between(0, 5*time.Millisecond), func() { l.sync() })
	}
}

func (l *Log) sync() {
	l.syncing = false
	l.durable = len(l.batches)
	waiting := l.waiting
	l.waiting = nil
	for _, w := range waiting {
		w.done(w.base, nil)
	}
}

// Crash loses a random tail of what is not durable. Call it from Node.OnCrash. What
// survives is durable: recovery syncs what it keeps.
func (l *Log) Crash() {
	kept := l.durable + l.sim.Rand.IntN(len(l.batches)-l.durable+1)
	l.batches = l.batches[:kept]
	l.durable, l.syncing, l.waiting = kept, false, nil
	l.end = 0
	if kept > 0 {
		last := l.batches[kept-1]
		l.end = last.BaseOffset + int64(last.Records)
	}
}

// FailAppends fails what is under way, as a disk that goes bad does: it may be in
// the log or not.
func (l *Log) FailAppends() {
	waiting := l.waiting
	l.waiting = nil
	for _, w := range waiting {
		w.done(w.base, ErrLost)
	}
}

// Batches are all batches, durable or not, to be read only.
func (l *Log) Batches() []Batch { return l.batches }

// Durable are the batches that no crash can take.
func (l *Log) Durable() []Batch { return l.batches[:l.durable] }

// End is the offset after the last record.
func (l *Log) End() int64 { return l.end }
