package storage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

const (
	mixedLogs = 4
	mixedRuns = 3
)

// TestMixed does everything at once that others look at one by one: several logs of
// a disk with a small journal are appended to in bursts, small and large, with and
// without transactions, compacted, retained, truncated, checkpointed, closed when
// idle, deleted and made again; and the process is killed or the power cut at any
// call, also while the disk recovers. Whatever happened:
//
//  1. What was acknowledged is there, and nothing that was not appended.
//  2. Readers find the last value of every key, and of aborted transactions nothing.
//  3. Every producer is known with its epoch, its sequence and its transaction.
//  4. A log's start never goes back, and a log that was made again begins empty.
func TestMixed(t *testing.T) {
	rng := randomSource(t)
	for range mixedRuns {
		w := &mixedRun{t: t, rng: rng, fs: vfs.NewMem(), now: time.Now()}
		w.mode = JournalMode(rng.IntN(3))
		w.start(0)
		for range 120 {
			w.turn()
		}
		for w.life.endAfter(0); w.life.gone(); { // since the last turn
			w.crash()
		}
		w.must(w.n.Close(1))
		t.Logf("%d crashes", w.crashes)
	}
}

// mixedRun drives a disk and the models of its logs.
type mixedRun struct {
	t       *testing.T
	rng     *rand.Rand
	fs      *vfs.Mem
	mode    JournalMode
	now     time.Time
	life    *process
	n       *node
	logs    [mixedLogs]mixedLog
	done    []string // the last turns
	crashes int
}

// mixedLog is one log and what is known of it.
type mixedLog struct {
	id   int32
	log  *Log
	m    *cleanModel
	past map[int64]map[int64]modelProducer // the producers when the log ended there

	floor     int64 // acknowledged
	startHigh int64 // the start that was asked for
	cleaned   int64 // what compaction may have come to
	deleting  bool
}

func (k *mixedLog) clear() {
	k.m = newCleanModel()
	k.past = map[int64]map[int64]modelProducer{}
	k.floor, k.startHigh, k.cleaned, k.deleting = 0, 0, 0, false
	k.remember()
}

// remember keeps the producers as they are at the log's end.
func (k *mixedLog) remember() {
	now := map[int64]modelProducer{}
	for pid, p := range k.m.producers {
		c := *p
		c.aborted, c.markers = maps.Clone(p.aborted), maps.Clone(p.markers)
		now[pid] = c
	}
	k.past[k.m.end] = now
}

// rewind takes the model back to where the log ends.
func (k *mixedLog) rewind(end int64) error {
	then, ok := k.past[end]
	if !ok {
		return fmt.Errorf("it ends at %d, where no batch ended", end)
	}
	m := k.m
	m.end, m.high = end, end
	m.ends = slices.DeleteFunc(m.ends, func(at int64) bool { return at > end })
	m.records = slices.DeleteFunc(m.records, func(r modelRecord) bool { return r.offset >= end })
	maps.DeleteFunc(k.past, func(at int64, _ map[int64]modelProducer) bool { return at > end })
	for pid, p := range then {
		p.aborted, p.markers = maps.Clone(p.aborted), maps.Clone(p.markers)
		m.producers[pid] = &p
	}
	return nil
}

// check compares a log with its model.
func (k *mixedLog) check(rng *rand.Rand) error {
	if err := k.m.check(k.log, rng, k.cleaned); err != nil {
		return err
	}
	for pid, p := range k.m.producers {
		got, ok := k.log.Producer(pid)
		switch {
		case !ok && p.next == 0 && p.epoch == 0:
		case !ok || got.Epoch != p.epoch || got.LastSequence+1 != p.next || got.TxnFirstOffset != p.open:
			return fmt.Errorf("producer %d is %+v (%v), want epoch %d, next sequence %d, transaction at %d", pid, got, ok, p.epoch, p.next, p.open)
		}
	}
	return nil
}

func (w *mixedRun) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatalf("%v\nafter %s\n%s", err, strings.Join(w.done[max(0, len(w.done)-25):], ", "), w.n.logs)
	}
}

func (w *mixedRun) options(o *Options) {
	o.Journal, o.JournalFileBytes, o.JournalFiles = w.mode, 64<<10, 2+w.rng.IntN(2)
	o.JournalAge = time.Duration(1+w.rng.IntN(10)) * time.Millisecond
}

func mixedConfig() Config {
	return Config{SegmentBytes: 4000, IndexInterval: 300, DeleteRetention: time.Hour, Compact: true}
}

// start opens the disk and compares all logs with what must be left of them. The
// process may end after some calls; then there is a new one.
func (w *mixedRun) start(calls int) {
	w.life = &process{FS: w.fs, left: calls}
	n, err := tryDisk(w.life, w.options)
	if err != nil && w.life.gone() {
		w.crash()
		return
	}
	w.n = n
	w.must(err)
	for i := range w.logs {
		k := &w.logs[i]
		k.id = int32(i)
		if k.m == nil || k.deleting {
			if err = w.n.DeleteLog(topic, k.id); err == nil {
				k.clear()
			}
		}
		if err == nil {
			k.log, err = w.n.OpenLog(topic, k.id, mixedConfig())
		}
		if err != nil && w.life.gone() {
			w.crash()
			return
		}
		w.must(err)
		end := k.log.LogEnd()
		if end < k.floor {
			w.must(fmt.Errorf("log %d ends at %d, %d was acknowledged; %+v", i, end, k.floor, k.log.Recovery()))
		}
		k.floor = end
		if start := k.log.LogStart(); start < k.m.start || start > k.startHigh {
			w.must(fmt.Errorf("log %d starts at %d, want %d to %d", i, start, k.m.start, k.startHigh))
		} else {
			k.m.start, k.startHigh = start, start
		}
		if err := k.rewind(end); err != nil {
			w.must(fmt.Errorf("log %d: %w", i, err))
		}
		if err := k.check(w.rng); err != nil && !w.life.gone() {
			w.must(fmt.Errorf("log %d: %w", i, err))
		}
	}
	w.life.endAfter(0)
}

// crash goes on with what a power cut or a kill leaves of the disk.
func (w *mixedRun) crash() {
	w.life.kill()
	for i := range w.logs {
		if k := &w.logs[i]; k.log != nil {
			if !k.deleting {
				k.floor = max(k.floor, k.log.Durable())
			}
			k.log = nil
		}
	}
	if w.n != nil && w.n.Disk != nil {
		_ = w.n.Close(-1) // which changes nothing any more
	}
	if w.rng.IntN(3) == 0 {
		w.fs = w.fs.KillClone()
	} else {
		w.fs = w.fs.CrashClone(w.rng)
	}
	w.done = append(w.done, "crash")
	w.crashes++
	calls := 0
	if w.rng.IntN(3) == 0 {
		calls = 1 + w.rng.IntN(80)
	}
	w.start(calls)
}

// turn does one thing, in which the process may end.
func (w *mixedRun) turn() {
	if w.rng.IntN(6) == 0 {
		w.life.endAfter(1 + w.rng.IntN(60))
	}
	k := &w.logs[w.rng.IntN(mixedLogs)]
	err := w.act(k)
	if w.life.gone() {
		w.crash()
		return
	}
	w.must(err)
	if err := k.check(w.rng); err != nil && !w.life.gone() {
		w.must(fmt.Errorf("log %d: %w", k.id, err))
	}
}

func (w *mixedRun) act(k *mixedLog) error {
	did := func(what string) { w.done = append(w.done, fmt.Sprint(what, " ", k.id)) }
	switch w.rng.IntN(20) {
	case 0:
		did("checkpoint")
		return k.log.Checkpoint()
	case 1, 2:
		did("compact")
		return w.compact(k)
	case 3:
		did("truncate")
		return w.truncate(k)
	case 4:
		did("delete records")
		return w.raise(k, func(before int64) error {
			_, err := k.log.DeleteRecords(before)
			return err
		})
	case 5:
		did("retain")
		return w.raise(k, func(upTo int64) error {
			c := mixedConfig()
			c.RetentionBytes = 6000
			k.log.SetConfig(c)
			defer k.log.SetConfig(mixedConfig())
			return k.log.Retain(time.Now(), upTo)
		})
	case 6:
		did("delete")
		k.deleting = true
		if err := w.n.DeleteLog(topic, k.id); err != nil {
			return err
		}
		k.clear()
		l, err := w.n.OpenLog(topic, k.id, mixedConfig())
		k.log = l
		return err
	case 7:
		did("idle")
		k.log.closeIdle()
		return nil
	case 8:
		did("close")
		return w.reopen(k)
	case 9:
		did("restart")
		if err := w.n.Close(1); err != nil {
			return err
		}
		for i := range w.logs {
			w.logs[i].floor = w.logs[i].m.end
		}
		w.start(0)
		return nil
	}
	did("burst")
	return w.burst()
}

func (w *mixedRun) compact(k *mixedLog) error {
	if err := w.commit(k); err != nil {
		return err
	}
	w.now = w.now.Add(time.Duration(w.rng.IntN(40)) * time.Minute)
	k.cleaned = k.m.end
	if _, err := k.log.Clean(w.t.Context(), w.now, k.m.high); err != nil {
		return err
	}
	k.m.cleaned = max(k.m.cleaned, k.log.dirty)
	k.cleaned = k.m.cleaned
	return nil
}

// commit raises the high watermark to where a batch ended.
func (w *mixedRun) commit(k *mixedLog) error {
	if err := k.log.WaitDurable(w.t.Context(), k.m.end); err != nil {
		return err
	}
	if n := len(k.m.ends); n > 0 {
		k.m.high = max(k.m.high, k.m.ends[w.rng.IntN(n)])
	}
	return nil
}

func (w *mixedRun) truncate(k *mixedLog) error {
	to := k.m.high + w.rng.Int64N(k.m.end-k.m.high+1)
	k.floor = k.m.high
	if err := k.log.Truncate(to); err != nil {
		return err
	}
	return k.rewind(k.log.LogEnd()) // what is left was committed, says the new leader
}

func (w *mixedRun) raise(k *mixedLog, change func(to int64) error) error {
	if err := w.commit(k); err != nil {
		return err
	}
	k.startHigh = k.m.high
	if k.m.high > k.m.start {
		k.startHigh = k.m.start + w.rng.Int64N(k.m.high-k.m.start+1)
	}
	err := change(k.startHigh)
	if err == nil {
		k.m.start = k.log.LogStart()
		k.startHigh = k.m.start
	}
	return err
}

func (w *mixedRun) reopen(k *mixedLog) (err error) {
	if err = k.log.Close(); err != nil {
		return err
	}
	k.floor = k.m.end
	k.log, err = w.n.OpenLog(topic, k.id, mixedConfig())
	if err == nil {
		k.m.high = k.m.end
	}
	return err
}

// burst appends to several logs, and waits for some.
func (w *mixedRun) burst() error {
	for range 1 + w.rng.IntN(12) {
		k := &w.logs[w.rng.IntN(mixedLogs)]
		if err := w.append(k); err != nil {
			return err
		}
		k.remember()
	}
	for i := range w.logs {
		if k := &w.logs[i]; w.rng.IntN(3) > 0 {
			if err := k.log.WaitDurable(w.t.Context(), k.m.end); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *mixedRun) append(k *mixedLog) error {
	switch w.rng.IntN(10) {
	case 0, 1, 2:
		return k.m.mark(k.log, w.rng)
	case 3:
		return k.appendLarge(maxStagedAppend/2 + w.rng.IntN(maxStagedAppend))
	}
	return k.m.append(k.log, w.rng)
}

// appendLarge appends one record that the journal may not take.
func (k *mixedLog) appendLarge(size int) error {
	m := k.m
	r := modelRecord{m.end, -1, fmt.Sprint("key-", size%12), fmt.Sprint(m.end, strings.Repeat("-large", size/6)), -1}
	if _, err := k.log.Append(keyed(record.Plain(), r.key, r.value), AppendOptions{LeaderEpoch: max(k.log.LeaderEpoch(), 0)}); err != nil {
		return err
	}
	m.records = append(m.records, r)
	m.end++
	m.ends = append(m.ends, m.end)
	return nil
}
