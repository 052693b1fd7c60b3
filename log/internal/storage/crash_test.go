package storage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// TestCrashAtEveryCall cuts the power before every call that changes the disk,
// while a log is written, rolled, checkpointed, retained, truncated and reopened,
// and looks at what is left:
//
//  1. Everything below the durable end that was shown is there, byte for byte.
//  2. Above it there may be more, but only what was appended, in whole batches and
//     without a hole.
//  3. The log opens: a crash is never taken for damage. It also opens if power is
//     cut again while it recovers.
//  4. If the process is killed there instead, nothing that was written is lost, and
//     what it finds when it starts again survives a power cut after that.
//  5. Caches do not matter: without them producers, transactions, epochs and times
//     are the same.
func TestCrashAtEveryCall(t *testing.T) {
	for _, c := range []struct {
		policy  SyncPolicy
		journal JournalMode
	}{{Always, JournalAuto}, {Always, JournalOn}, {OS, JournalAuto}} {
		t.Run(c.policy.String()+"/"+journalNames[c.journal], func(t *testing.T) {
			rng := randomSource(t)
			for range 2 {
				w := &crashWorkload{t: t, rng: rng, fs: vfs.NewMem(), policy: c.policy, journal: c.journal, truncating: math.MaxInt64}
				w.run(60)
			}
		})
	}
}

// crashWorkload writes a log and remembers what must and what may survive.
type crashWorkload struct {
	t       *testing.T
	rng     *rand.Rand
	fs      *vfs.Mem
	policy  SyncPolicy
	journal JournalMode
	node    *node
	life    *process // what node uses of fs until it is killed

	mu         sync.Mutex // guards what follows: the hook runs in the commit loop, too
	log        *Log       // nil while it is being opened
	batches    []keptBatch
	truncating int64 // what may be gone already
	startLow   int64 // the start that was promised
	startHigh  int64 // the start that was asked for
	floor      int64 // durable when the log was last open
	cuts       int
	failed     error // the first cut that was not survived
	clones     *rand.Rand

	next map[int64]int32 // sequence by producer
	open map[int64]bool  // producers with an open transaction
}

type keptBatch struct {
	base int64
	body []byte // from the magic on: what storage must not change
}

const crashProducers = 3

func (w *crashWorkload) options(o *Options) {
	o.Policy, o.Journal, o.JournalFileBytes, o.JournalFiles = w.policy, w.journal, 64<<10, 2
}

func crashConfig() Config { return Config{SegmentBytes: 1500, IndexInterval: 300} }

func (w *crashWorkload) run(ops int) {
	w.clones = rand.New(rand.NewPCG(w.rng.Uint64(), 1))
	w.next, w.open = map[int64]int32{}, map[int64]bool{}
	w.fs.Inject(func(op vfs.Op, name string) error {
		if op.Changes() {
			w.cut(op, name)
		}
		return nil
	})
	w.reopen()
	for range ops {
		w.step()
	}
	w.close()
	w.fs.Inject(nil)
	w.t.Logf("%d cuts", w.cuts)
	if w.failed != nil {
		w.t.Fatal(w.failed)
	}
}

func (w *crashWorkload) reopen() {
	w.life = &process{FS: w.fs}
	n, err := tryDisk(w.life, w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := n.OpenLog(topic, 0, crashConfig())
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.node, w.log = n, l
	w.mu.Unlock()
}

func (w *crashWorkload) step() {
	l := w.log
	switch w.rng.IntN(20) {
	default:
		w.append(w.randomBatch())
		if w.rng.IntN(3) > 0 {
			durable(w.t, l, l.LogEnd())
		}
	case 0, 1:
		if err := l.Checkpoint(); err != nil {
			w.t.Fatal(err)
		}
	case 2:
		before := l.LogStart() + w.rng.Int64N(l.Durable()-l.LogStart()+1)
		w.setStart(before, func() error {
			_, err := l.DeleteRecords(before)
			return err
		})
	case 3:
		l.SetConfig(Config{SegmentBytes: 1500, IndexInterval: 300, RetentionBytes: 4000})
		w.setStart(l.Durable(), func() error { return l.Retain(time.Now(), l.Durable()) })
	case 4:
		w.truncate(l.LogStart() + w.rng.Int64N(l.LogEnd()-l.LogStart()+1))
	case 5:
		if err := l.SetLeaderEpoch(l.LeaderEpoch() + 1); err != nil {
			w.t.Fatal(err)
		}
	case 6:
		w.close()
		w.reopen()
	case 7:
		w.kill()
	}
}

// kill ends the process but not the machine: what was written is there, though not
// all of it is on the disk.
func (w *crashWorkload) kill() {
	w.mu.Lock()
	start, end := w.log.LogStart(), w.log.LogEnd()
	w.floor = w.log.Durable()
	w.log = nil
	w.mu.Unlock()
	w.life.kill()
	w.reopen()
	if w.log.LogStart() != start || w.log.LogEnd() != end {
		w.t.Fatalf("offsets %d to %d after a kill, %d to %d before", w.log.LogStart(), w.log.LogEnd(), start, end)
	}
}

func (w *crashWorkload) close() {
	w.mu.Lock()
	w.floor = w.log.Durable()
	w.log = nil
	n := w.node
	w.mu.Unlock()
	if err := n.Close(1); err != nil {
		w.t.Fatal(err)
	}
}

// randomBatch is plain, idempotent, transactional, or a marker.
func (w *crashWorkload) randomBatch() ([]byte, Origin) {
	pid := int64(w.rng.IntN(crashProducers))
	text := strings.Repeat("x", w.rng.IntN(150))
	switch {
	case w.rng.IntN(4) == 0:
		return plainBatch(text, "b"), Client
	case w.open[pid] && w.rng.IntN(2) == 0:
		w.open[pid] = false
		marker := record.Marker(w.rng.IntN(2))
		return record.ControlBatch(record.Control{Marker: marker, CoordinatorEpoch: 1}, pid, 0, 1000), Coordinator
	}
	txn := w.open[pid] || w.rng.IntN(2) == 0
	seq := w.next[pid]
	w.open[pid] = txn
	w.next[pid] = seq + 2
	return producerBatch(pid, 0, seq, txn, text, "p"), Client
}

func (w *crashWorkload) append(batch []byte, origin Origin) {
	l := w.log
	w.mu.Lock()
	w.batches = append(w.batches, keptBatch{l.LogEnd(), batch[16:]})
	w.mu.Unlock()
	epoch := max(l.LeaderEpoch(), 0)
	if w.rng.IntN(15) == 0 {
		epoch++
	}
	if _, err := l.Append(batch, AppendOptions{Origin: origin, LeaderEpoch: epoch}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *crashWorkload) setStart(high int64, change func() error) {
	w.mu.Lock()
	w.startHigh = max(w.startHigh, high)
	w.mu.Unlock()
	if err := change(); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.startLow = w.log.LogStart()
	w.startHigh = w.startLow
	w.mu.Unlock()
}

func (w *crashWorkload) truncate(to int64) {
	w.mu.Lock()
	w.truncating = to
	w.mu.Unlock()
	if err := w.log.Truncate(to); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	end := w.log.LogEnd()
	w.batches = slices.DeleteFunc(w.batches, func(b keptBatch) bool { return b.base >= end })
	w.truncating = math.MaxInt64
	w.mu.Unlock()
	// A follower would now append what the leader has: other batches, other state.
	w.next, w.open = map[int64]int32{}, map[int64]bool{}
	for _, p := range w.log.Producers() {
		w.next[p.ProducerID] = p.LastSequence + 1
		w.open[p.ProducerID] = p.TxnFirstOffset >= 0
	}
}

// cut takes a clone of the disk as a power cut now would leave it, and checks it.
func (w *crashWorkload) cut(op vfs.Op, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts++
	if w.failed != nil || !sampleCut(w.clones, 4) {
		return
	}
	floor := w.floor
	if w.log != nil {
		floor = w.log.Durable() // hangs here if a log held its mutex across this call
	}
	if w.policy != Always {
		floor = 0
	}
	e := crashExpect{batches: w.batches, floor: min(floor, w.truncating), startLow: w.startLow, startHigh: w.startHigh}
	if w.truncating != math.MaxInt64 {
		e.floor = min(e.floor, batchStart(w.batches, w.truncating))
	}
	clone := w.fs.CrashClone(w.clones)
	if err := e.check(clone, w.clones, w.options, 1); err != nil && w.failed == nil {
		w.failed = fmt.Errorf("cut %d, before %v of %s: %w", w.cuts, op, name, err)
	}
	if err := e.checkKill(w.fs.KillClone(), w.clones, w.options); err != nil && w.failed == nil {
		w.failed = fmt.Errorf("kill %d, before %v of %s: %w", w.cuts, op, name, err)
	}
}
