package statestore

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/vfs"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0 draws one")

func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// model is the state of one task done the simple way: a map, copied at every
// commit. The kind of each entry is in its key.
type model struct {
	now       map[modelKey]string
	committed map[modelKey]string
}

type modelKey struct {
	operator  string
	kind      string // kv, timer, words
	partition int32
	ns        int64 // of a timer its time
	key       string
}

func newModel() *model {
	return &model{now: map[modelKey]string{}, committed: map[modelKey]string{}}
}

func (m *model) commit() { m.committed = maps.Clone(m.now) }
func (m *model) abort()  { m.now = maps.Clone(m.committed) }

func (m *model) drop(operator, kind string, ns int64) {
	maps.DeleteFunc(m.now, func(k modelKey, _ string) bool {
		return k.operator == operator && k.kind == kind && k.ns == ns
	})
}

var wordsLayout = Layout{Words: 3, Blobs: 1}

const wordsSpace = 5

var operatorNames = []string{"a", "per_minute"}

// readTask is everything that a task's views show.
func readTask(t testing.TB, task *Task) map[modelKey]string {
	t.Helper()
	got := map[modelKey]string{}
	for _, op := range operatorNames {
		v := task.View(op)
		kv, err := v.kv()
		if err != nil {
			t.Fatal(err)
		}
		for _, ns := range kv.Namespaces(nil) {
			for _, p := range task.Partitions() {
				last := []byte(nil)
				err := v.Scan(p, ns, nil, nil, func(key, value []byte) bool {
					if last != nil && bytes.Compare(last, key) >= 0 {
						t.Fatalf("scan gives %q after %q", key, last)
					}
					last = append([]byte{}, key...)
					got[modelKey{op, "kv", p, ns, string(key)}] = string(value)
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		readTimers(t, v, op, got)
		readWords(t, v, op, got)
	}
	return got
}

func readTimers(t testing.TB, v *View, op string, got map[modelKey]string) {
	timers, err := v.timers()
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range timers.order.chunks {
		for _, id := range chunk {
			key := timers.appendKey(nil, timers.row(id))
			when := int64(timers.row(id)[rowKey0] ^ 1<<63)
			got[modelKey{op, "timer", rowPartition(timers.row(id)[rowMeta]), when, string(key[8:])}] = ""
		}
	}
}

func readWords(t testing.TB, v *View, op string, got map[modelKey]string) {
	ts, err := v.Tables(wordsSpace, wordsLayout)
	if err != nil {
		t.Fatal(err)
	}
	var sorter Sorter
	for _, ns := range ts.Namespaces(nil) {
		table := ts.At(ns)
		last := ""
		for _, slot := range sorter.Sort(table) {
			key := string(table.Key(nil, slot))
			if key < last {
				t.Fatalf("Sort gives %q after %q", key, last)
			}
			last = key
			w := table.Words()[slot:]
			got[modelKey{op, "words", table.Partition(slot), ns, key}] = fmt.Sprintf("%d %d %s", w[0], w[1], table.Blob(slot, 0))
		}
	}
}

// actor does random things to a task and to its model.
type actor struct {
	t    *testing.T
	rng  *rand.Rand
	task *Task
	m    *model
}

func (a *actor) key() string {
	n := a.rng.IntN(40)
	if n%5 == 0 {
		return strings.Repeat("long", 5) + fmt.Sprint(n)
	}
	return fmt.Sprintf("%0*d", n%17, n)
}

func (a *actor) act() {
	op := operatorNames[a.rng.IntN(len(operatorNames))]
	v := a.task.View(op)
	p := a.task.Partitions()[a.rng.IntN(len(a.task.Partitions()))]
	ns := int64(a.rng.IntN(4) - 1)
	key := a.key()
	k := modelKey{op, "kv", p, ns, key}
	var err error
	switch a.rng.IntN(14) {
	case 0, 1, 2:
		value := strings.Repeat("v", a.rng.IntN(50)) + fmt.Sprint(a.rng.IntN(10))
		err = v.Put(p, ns, []byte(key), []byte(value))
		a.m.now[k] = value
	case 3, 4:
		err = v.Delete(p, ns, []byte(key))
		delete(a.m.now, k)
	case 5:
		got, _ := v.Get(p, ns, []byte(key))
		if want, ok := a.m.now[k]; ok != (got != nil) || string(got) != want {
			a.t.Fatalf("get %v = %q, want %q %v", k, got, want, ok)
		}
	case 6:
		if a.rng.IntN(10) == 0 {
			err = v.Drop(ns)
			a.m.drop(op, "kv", ns)
		}
	case 7:
		err = v.SetTimer(p, ns*10, []byte(key))
		a.m.now[modelKey{op, "timer", p, ns * 10, key}] = ""
	case 8:
		err = v.DeleteTimer(p, ns*10, []byte(key))
		delete(a.m.now, modelKey{op, "timer", p, ns * 10, key})
	case 9:
		a.popTimer(v, op, ns*10)
	case 10:
		if a.rng.IntN(10) == 0 {
			ts, _ := v.Tables(wordsSpace, wordsLayout)
			ts.Drop(ns)
			a.m.drop(op, "words", ns)
		}
	default:
		err = a.words(v, op, ns)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *actor) popTimer(v *View, op string, upTo int64) {
	p, when, key, ok, err := v.PopTimer(upTo)
	if err != nil {
		a.t.Fatal(err)
	}
	var due []modelKey
	for k := range a.m.now {
		if k.operator == op && k.kind == "timer" && k.ns <= upTo {
			due = append(due, k)
		}
	}
	if ok != (len(due) > 0) {
		a.t.Fatalf("PopTimer = %v with %d due", ok, len(due))
	}
	if !ok {
		return
	}
	first := slices.MinFunc(due, func(x, y modelKey) int {
		return cmp.Or(cmp.Compare(x.ns, y.ns), strings.Compare(x.key, y.key), cmp.Compare(x.partition, y.partition))
	})
	got := modelKey{op, "timer", p, when, string(key)}
	if got != first {
		a.t.Fatalf("PopTimer = %v, want %v", got, first)
	}
	delete(a.m.now, got)
}

// words upserts a batch of keys and adds to their words, as an aggregate does.
func (a *actor) words(v *View, op string, ns int64) error {
	ts, err := v.Tables(wordsSpace, wordsLayout)
	if err != nil {
		return err
	}
	table := ts.At(ns)
	var keys Keys
	var sel []int32
	n := 1 + a.rng.IntN(10)
	for i := range n {
		key := a.key()
		keys.Off = append(keys.Off, int32(len(keys.Data)))
		keys.Data = append(keys.Data, key...)
		keys.Hash = append(keys.Hash, xxh3.HashString(key))
		keys.Partition = append(keys.Partition, a.task.Partitions()[a.rng.IntN(len(a.task.Partitions()))])
		if a.rng.IntN(4) > 0 {
			sel = append(sel, int32(i))
		}
	}
	keys.Off = append(keys.Off, int32(len(keys.Data)))
	slots := make([]Slot, len(sel))
	if err := table.Upsert(&keys, sel, slots); err != nil {
		return err
	}
	for j, i := range sel {
		k := modelKey{op, "words", keys.Partition[i], ns, string(keys.Data[keys.Off[i]:keys.Off[i+1]])}
		var x, y uint64
		var blob string
		if old, ok := a.m.now[k]; ok {
			fmt.Sscan(old, &x, &y, &blob)
		}
		table.Words()[slots[j]]++
		table.Words()[slots[j]+1] += 7
		if blob == "" || a.rng.IntN(3) == 0 {
			blob = fmt.Sprintf("b%d", a.rng.IntN(1000))
			err = table.SetBlob(slots[j], 0, []byte(blob))
		} else {
			var b []byte
			b, err = table.MutBlob(slots[j], 0)
			b[0] = 'm'
			blob = "m" + blob[1:]
		}
		if err != nil {
			return err
		}
		a.m.now[k] = fmt.Sprintf("%d %d %s", x+1, y+7, blob)
	}
	return nil
}

func (a *actor) check(when string) {
	a.t.Helper()
	got := readTask(a.t, a.task)
	if maps.Equal(got, a.m.now) {
		return
	}
	for k, v := range got {
		if want, ok := a.m.now[k]; !ok || want != v {
			a.t.Errorf("%v is %q, in the model %q %v", k, v, want, ok)
		}
	}
	for k, want := range a.m.now {
		if _, ok := got[k]; !ok {
			a.t.Errorf("%v is missing, in the model %q", k, want)
		}
	}
	a.t.Fatalf("task and model differ after %s", when)
}

// changelog is a compacted topic: per partition the records in order.
type changelog struct {
	records map[int32][]logRecord
	last    map[string]string // the last value of each live key
}

type logRecord struct {
	key   string
	value []byte // nil is a tombstone
}

func (c *changelog) positions(epoch uint64) map[int32]Position {
	out := map[int32]Position{}
	for p := range int32(testPartitions) {
		out[p] = Position{Offset: int64(len(c.records[p])), Epoch: epoch, Time: time.UnixMicro(int64(epoch)), Meta: fmt.Append(nil, epoch)}
	}
	return out
}

const testPartitions = 6

var testIdentity = Identity{ClusterID: "c", Pipeline: "p", ChangelogTopicID: [16]byte{1}, Partitions: testPartitions}

func openStore(t testing.TB, fsys vfs.FS) *Store {
	t.Helper()
	s, err := Open(Options{FS: fsys, Dir: "/state", Identity: testIdentity, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// restoreTask loads a task and replays the changelog from its positions.
func restoreTask(t testing.TB, s *Store, partitions []int32, log *changelog) *Task {
	t.Helper()
	task, err := s.Task(partitions)
	if err != nil {
		t.Fatal(err)
	}
	if err := task.Load(); err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		pos, _ := task.Position(p)
		for _, r := range log.records[p][pos.Offset:] {
			if err := task.Restore(p, []byte(r.key), r.value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return task
}

// commitEpoch carries the changes into the changelog as the engine does, and checks
// that they name no key twice.
func commitEpoch(t testing.TB, task *Task, log *changelog, epoch uint64) {
	t.Helper()
	seen := map[string]bool{}
	err := task.Changes(func(p int32, key, value []byte) error {
		if id := fmt.Sprint(p, string(key)); seen[id] {
			t.Fatalf("changes name %q twice", key)
		} else {
			seen[id] = true
		}
		var v []byte
		if value != nil {
			v = append([]byte{}, value...)
			if len(v) == 0 {
				t.Fatalf("empty value of %q", key)
			}
		}
		id := fmt.Sprint(p, string(key))
		// A namespace that is dropped and made anew in one epoch may get its old values.
		if last, live := log.last[id]; len(task.dropped) == 0 && (!live && v == nil || live && v != nil && last == string(v)) {
			t.Fatalf("a change of %q that changes nothing: %q", key, v)
		}
		if log.last == nil {
			log.last = map[string]string{}
		}
		if log.last[id] = string(v); v == nil {
			delete(log.last, id)
		}
		log.records[p] = append(log.records[p], logRecord{string(key), v})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	task.Commit()
}

// TestTaskAgainstModel does random things in random epochs that commit or abort,
// checkpoints in slices, crashes, restarts with other sets of partitions, and
// compares with a map after each of them.
func TestTaskAgainstModel(t *testing.T) {
	rng := newRand(t)
	for round := range 12 {
		fsys := vfs.NewMem()
		s := openStore(t, fsys)
		log := &changelog{records: map[int32][]logRecord{}}
		all := []int32{0, 1, 2, 3, 4, 5}
		a := &actor{t: t, rng: rng, task: restoreTask(t, s, all, log), m: newModel()}
		for epoch := uint64(1); epoch < 120; epoch++ {
			for range rng.IntN(60) {
				a.act()
			}
			if rng.IntN(8) == 0 {
				a.check("writes")
			}
			if rng.IntN(4) == 0 {
				a.task.Abort()
				a.m.abort()
				a.check("abort")
			} else {
				commitEpoch(t, a.task, log, epoch)
				a.m.commit()
			}
			if rng.IntN(6) == 0 {
				if err := a.task.BeginCheckpoint(log.positions(epoch)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := a.task.StepCheckpoint(1 + rng.IntN(2000)); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(10) == 0 {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			if rng.IntN(25) == 0 {
				clone := fsys.CrashClone(rng)
				a.task.Release()
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if rng.IntN(2) == 0 {
					fsys = clone // the power went; otherwise it was a clean stop
				}
				s = openStore(t, fsys)
				a.task = restoreTask(t, s, all, log)
				a.check(fmt.Sprintf("restart (round %d, epoch %d)", round, epoch))
			}
		}
		a.task.Release()
		if used, _ := s.MemoryBytes(); used != 0 {
			t.Fatalf("%d bytes of the budget are in use after the last release", used)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
