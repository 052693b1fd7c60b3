package storage

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

var everyCut = flag.Bool("every-cut", false, "crash tests look at every cut, not at some drawn by the seed")

// sampleCut draws whether a cut is looked at.
func sampleCut(rng *rand.Rand, of int) bool { return *everyCut || rng.IntN(of) == 0 }

// TestJournalCrashAtEveryCall cuts the power and kills the process before calls that
// change the disk, while several logs are appended to, rolled, truncated, reset,
// deleted, made again, and their records deleted, over a journal of a few small
// files. What the journal must never do:
//
//  1. Lose what was durable: it is in the journal or in a segment.
//  2. Bring back what was truncated, or was in a log that has been deleted since.
//  3. Keep a disk from opening, also when power is cut again while it is replayed.
func TestJournalCrashAtEveryCall(t *testing.T) {
	for _, mode := range []JournalMode{JournalAuto, JournalOff, JournalOn} {
		t.Run(journalNames[mode], func(t *testing.T) {
			rng := randomSource(t)
			for range 2 {
				w := &journalWorkload{t: t, rng: rng, fs: vfs.NewMem(), mode: mode}
				w.run(60)
			}
		})
	}
}

const journalLogs = 6

// journalWorkload is what happens to a disk of several logs, and what must be left.
type journalWorkload struct {
	t    *testing.T
	rng  *rand.Rand
	fs   *vfs.Mem
	mode JournalMode
	node *node
	life *process

	mu        sync.Mutex // guards what follows: the hook runs in the disk's goroutines, too
	clones    *rand.Rand
	logs      [journalLogs]journalLog
	cuts      int
	journaled int // cuts with a journal file
	failed    error
}

// journalLog is what is known of one of the logs.
type journalLog struct {
	log        *Log // nil while it is not open
	id         int32
	batches    []keptBatch
	truncating int64 // what may be gone already
	start      int64 // the start that was promised
	startHigh  int64 // the start that was asked for
	floor      int64 // durable when it was last open
	deleting   bool  // it may be gone, or not be there any more
	absent     bool  // it is gone
}

// expect is what a crash now must leave.
func (k *journalLog) expect() crashExpect {
	floor := k.floor
	if k.log != nil {
		floor = max(floor, k.log.Durable()) // hangs here if a log held its mutex across this call
	}
	if k.deleting {
		floor = 0
	}
	e := crashExpect{batches: k.batches, floor: floor, startLow: k.start, startHigh: k.startHigh}
	if k.truncating != math.MaxInt64 {
		e.floor = min(floor, batchStart(k.batches, k.truncating))
	}
	return e
}

func (w *journalWorkload) options(o *Options) {
	o.Journal, o.JournalFileBytes, o.JournalFiles = w.mode, 64<<10, 3
	o.JournalAge = time.Duration(1+w.clones.IntN(20)) * time.Millisecond
}

func (w *journalWorkload) config() Config { return Config{SegmentBytes: 3000, IndexInterval: 300} }

func (w *journalWorkload) run(ops int) {
	w.clones = rand.New(rand.NewPCG(w.rng.Uint64(), 1))
	for i := range w.logs {
		w.logs[i] = journalLog{id: int32(i), truncating: math.MaxInt64, absent: true}
	}
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
	w.t.Logf("%d cuts, %d with a journal", w.cuts, w.journaled)
	if w.failed != nil {
		w.t.Fatal(w.failed)
	}
}

func (w *journalWorkload) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

func (w *journalWorkload) reopen() {
	w.life = &process{FS: w.fs}
	w.mu.Lock()
	options := w.options
	var o Options
	options(&o) // drawn under the lock
	w.mu.Unlock()
	n, err := tryDisk(w.life, func(to *Options) {
		to.Journal, to.JournalFileBytes, to.JournalFiles, to.JournalAge = o.Journal, o.JournalFileBytes, o.JournalFiles, o.JournalAge
	})
	w.must(err)
	w.node = n
	for i := range w.logs {
		if !w.logs[i].absent {
			w.openLog(&w.logs[i])
		}
	}
}

func (w *journalWorkload) openLog(k *journalLog) {
	w.mu.Lock()
	k.absent = false
	w.mu.Unlock()
	l, err := w.node.OpenLog(topic, k.id, w.config())
	w.must(err)
	w.mu.Lock()
	k.log = l
	w.mu.Unlock()
}

func (w *journalWorkload) step() {
	k := &w.logs[w.rng.IntN(journalLogs)]
	if k.absent {
		w.openLog(k)
		return
	}
	l := k.log
	switch w.rng.IntN(24) {
	default:
		w.burst()
	case 0:
		w.must(l.Checkpoint())
	case 1:
		before := l.LogStart() + w.rng.Int64N(l.Durable()-l.LogStart()+1)
		w.raise(k, before, func() error {
			_, err := l.DeleteRecords(before)
			return err
		})
	case 2, 3:
		w.truncate(k, l.LogStart()+w.rng.Int64N(l.LogEnd()-l.LogStart()+1))
	case 4:
		w.delete(k)
	case 5:
		w.must(l.SetLeaderEpoch(l.LeaderEpoch() + 1))
	case 6:
		w.close()
		w.reopen()
	case 7:
		w.kill()
	case 8:
		w.mu.Lock()
		k.floor, k.log = l.Durable(), nil
		w.mu.Unlock()
		w.must(l.Close())
		w.openLog(k)
	}
}

// burst appends to some logs, several times, and perhaps waits.
func (w *journalWorkload) burst() {
	for range 1 + w.rng.IntN(3) {
		for i := range w.logs {
			if k := &w.logs[i]; !k.absent && w.rng.IntN(3) > 0 {
				w.append(k)
			}
		}
	}
	for i := range w.logs {
		if k := &w.logs[i]; !k.absent && w.rng.IntN(3) > 0 {
			durable(w.t, k.log, k.log.LogEnd())
		}
	}
}

func (w *journalWorkload) append(k *journalLog) {
	text := strings.Repeat(string(rune('a'+w.rng.IntN(26))), w.rng.IntN(200))
	if w.rng.IntN(30) == 0 {
		text = strings.Repeat("big", maxStagedAppend/3+1)
	}
	batch := plainBatch(text, fmt.Sprint(w.rng.Uint64()))
	w.mu.Lock()
	k.batches = append(k.batches, keptBatch{k.log.LogEnd(), batch[16:]})
	w.mu.Unlock()
	_, err := k.log.Append(batch, AppendOptions{LeaderEpoch: max(k.log.LeaderEpoch(), 0)})
	w.must(err)
}

func (w *journalWorkload) raise(k *journalLog, to int64, change func() error) {
	w.mu.Lock()
	k.startHigh = max(k.startHigh, to)
	w.mu.Unlock()
	w.must(change())
	w.mu.Lock()
	k.start = k.log.LogStart()
	k.startHigh = k.start
	w.mu.Unlock()
}

func (w *journalWorkload) truncate(k *journalLog, to int64) {
	w.mu.Lock()
	k.truncating = to
	k.floor = 0
	w.mu.Unlock()
	w.must(k.log.Truncate(to))
	w.mu.Lock()
	end := k.log.LogEnd()
	k.batches = slices.DeleteFunc(slices.Clone(k.batches), func(b keptBatch) bool { return b.base >= end })
	k.truncating = math.MaxInt64
	w.mu.Unlock()
}

// delete removes a log and perhaps makes it again at once.
func (w *journalWorkload) delete(k *journalLog) {
	w.mu.Lock()
	k.deleting, k.log, k.floor = true, nil, 0
	k.start = 0
	w.mu.Unlock()
	w.must(w.node.DeleteLog(topic, k.id))
	w.mu.Lock()
	*k = journalLog{id: k.id, truncating: math.MaxInt64, absent: true}
	w.mu.Unlock()
	if w.rng.IntN(2) == 0 {
		w.openLog(k)
		w.append(k)
	}
}

func (w *journalWorkload) close() {
	w.mu.Lock()
	for i := range w.logs {
		if k := &w.logs[i]; k.log != nil {
			k.floor, k.log = k.log.Durable(), nil
		}
	}
	w.mu.Unlock()
	w.must(w.node.Close(1))
	if names, err := w.fs.List("/data/" + journalDir); err != nil || len(names) > 0 {
		w.t.Fatalf("the journal holds %q after a clean shutdown (%v)", names, err)
	}
}

// kill ends the process but not the machine: all that was written is there.
func (w *journalWorkload) kill() {
	w.mu.Lock()
	var ends [journalLogs]int64
	for i := range w.logs {
		if k := &w.logs[i]; k.log != nil {
			ends[i] = k.log.LogEnd()
			k.floor, k.log = k.log.Durable(), nil
		}
	}
	w.mu.Unlock()
	w.life.kill()
	w.reopen()
	for i := range w.logs {
		if l := w.logs[i].log; l != nil && l.LogEnd() != ends[i] {
			w.t.Fatalf("log %d ends at %d after a kill, %d before", i, l.LogEnd(), ends[i])
		}
	}
}

// cut looks at the disk as a power cut or a kill now would leave it.
func (w *journalWorkload) cut(op vfs.Op, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts++
	if w.failed != nil || !sampleCut(w.clones, 24) {
		return
	}
	var expects [journalLogs]crashExpect
	for i := range w.logs {
		expects[i] = w.logs[i].expect()
	}
	clone := w.fs.CrashClone(w.clones)
	if names, _ := clone.List("/data/" + journalDir); len(names) > 0 {
		w.journaled++
	}
	if err := w.check(clone, &expects, 1); err != nil {
		w.failed = fmt.Errorf("cut %d, before %v of %s: %w", w.cuts, op, name, err)
	}
	if err := w.check(w.fs.KillClone(), &expects, 0); err != nil {
		w.failed = errors.Join(w.failed, fmt.Errorf("kill %d, before %v of %s: %w", w.cuts, op, name, err))
	}
}

// check opens what is left, perhaps after another crash while it does so.
func (w *journalWorkload) check(disk *vfs.Mem, expects *[journalLogs]crashExpect, again int) error {
	var second *vfs.Mem
	if again > 0 {
		left := w.clones.IntN(40)
		disk.Inject(func(op vfs.Op, _ string) error {
			if op.Changes() {
				if left--; left == 0 {
					second = disk.CrashClone(w.clones)
				}
			}
			return nil
		})
	}
	n, err := tryDisk(disk, w.options, func(o *Options) { o.SyncParallel = 1 }) // the hook is not for many
	if err != nil {
		return err
	}
	for i := range expects {
		if err := w.checkLog(n, int32(i), &expects[i]); err != nil {
			return fmt.Errorf("log %d: %w\n%s", i, err, n.logs)
		}
	}
	disk.Inject(nil)
	if err := n.Close(-1); err != nil {
		return err
	}
	if second != nil {
		if err := w.check(second, expects, again-1); err != nil {
			return fmt.Errorf("crash during recovery: %w", err)
		}
	}
	return nil
}

func (w *journalWorkload) checkLog(n *node, id int32, e *crashExpect) error {
	k := &w.logs[id]
	_, err := n.o.FS.Stat(n.logDir(TopicPartition{topic, id}))
	switch gone := errors.Is(err, fs.ErrNotExist); {
	case gone && (k.absent || k.deleting || e.floor == 0):
		return nil
	case err != nil:
		return err
	case k.absent:
		return errors.New("it was deleted")
	}
	l, err := n.OpenLog(topic, id, w.config())
	if err != nil {
		return err
	}
	start, end := l.LogStart(), l.LogEnd()
	if start < e.startLow || start > e.startHigh {
		return fmt.Errorf("starts at %d, expected %d to %d", start, e.startLow, e.startHigh)
	}
	if end < e.floor {
		return fmt.Errorf("ends at %d, %d was durable; %+v", end, e.floor, l.Recovery())
	}
	return e.compare(l, start, end)
}
