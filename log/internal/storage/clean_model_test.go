package storage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// cleanModel is a keyed log as a list of everything that was ever appended.
type cleanModel struct {
	start, end int64
	high       int64   // high watermark: nothing below it is truncated
	cleaned    int64   // everything aborted below is gone
	ends       []int64 // of the batches
	records    []modelRecord
	producers  map[int64]*modelProducer
}

type modelRecord struct {
	offset int64
	pid    int64
	key    string
	value  string // "-" is a tombstone
	txn    int64  // first offset of its transaction, -1 none
}

// modelProducer writes transactions; ended are the outcomes by first offset, of those
// that have one.
type modelProducer struct {
	epoch   int16
	next    int32
	open    int64 // first offset of the open transaction, -1 none
	aborted map[int64]bool
	markers map[int64]int64 // by first offset
}

func newCleanModel() *cleanModel {
	m := &cleanModel{producers: map[int64]*modelProducer{}}
	for pid := range int64(4) {
		m.producers[pid] = &modelProducer{open: -1, aborted: map[int64]bool{}, markers: map[int64]int64{}}
	}
	return m
}

// lastStable is the first offset of a transaction that is open or whose marker the
// high watermark has not passed, or the high watermark.
func (m *cleanModel) lastStable() int64 {
	stable := m.high
	for _, p := range m.producers {
		if p.open >= 0 {
			stable = min(stable, p.open)
		}
		for first, marker := range p.markers {
			if marker >= m.high {
				stable = min(stable, first)
			}
		}
	}
	return stable
}

// last is the last value of each key at or above an offset: of all records, or of
// those of no aborted transaction below the last stable offset. Aborted records that
// were cleaned away do not count.
func (m *cleanModel) last(from int64, committed bool, cleaned int64) map[string]string {
	last := map[string]string{}
	for _, r := range m.records {
		aborted := r.txn >= 0 && m.producers[r.pid].aborted[r.txn]
		switch {
		case r.offset < from, aborted && (committed || r.offset < cleaned), committed && r.offset >= m.lastStable():
		default:
			last[r.key] = r.value
		}
	}
	return last
}

// append adds a batch to log and model.
func (m *cleanModel) append(l *Log, rng *rand.Rand) error {
	pid := rng.Int64N(int64(len(m.producers)) + 1)
	p := m.producers[pid]
	h := record.Plain()
	if p == nil {
		pid = -1
	} else {
		if p.open < 0 && rng.IntN(12) == 0 {
			p.epoch, p.next = p.epoch+1, 0
		}
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = pid, p.epoch, p.next
		if p.open >= 0 || pid > 0 {
			h.Attributes = record.AttrTransactional
		}
	}
	h.Attributes |= int16(rng.IntN(5))
	var pairs []string
	for range 1 + rng.IntN(3) {
		value := fmt.Sprintf("%d.%d-vvvvvvvvvvvvvvvvvvvvvvvv", m.end, len(pairs)/2)
		if rng.IntN(5) == 0 {
			value = "-"
		}
		pairs = append(pairs, fmt.Sprint("key-", rng.IntN(12)), value)
	}
	t, err := l.Append(keyed(h, pairs...), AppendOptions{LeaderEpoch: max(l.LeaderEpoch(), 0) + int32(rng.IntN(20)/19)})
	if err != nil {
		return err
	}
	if t.BaseOffset != m.end {
		return fmt.Errorf("appended at %d, not %d", t.BaseOffset, m.end)
	}
	txn := int64(-1)
	if h.Transactional() {
		if p.open < 0 {
			p.open = m.end
		}
		txn = p.open
	}
	for i := 0; i < len(pairs); i += 2 {
		m.records = append(m.records, modelRecord{m.end, pid, pairs[i], pairs[i+1], txn})
		m.end++
	}
	m.ends = append(m.ends, m.end)
	if p != nil {
		p.next += int32(len(pairs) / 2)
	}
	return nil
}

// mark ends a transaction of a producer, perhaps with the next epoch, as version 2
// of transactions does.
func (m *cleanModel) mark(l *Log, rng *rand.Rand) error {
	pid := 1 + rng.Int64N(3)
	p := m.producers[pid]
	if p.open < 0 && rng.IntN(5) > 0 {
		return nil
	}
	marker := record.Marker(rng.IntN(2))
	if p.open >= 0 {
		p.aborted[p.open], p.markers[p.open] = marker == record.Abort, m.end
	}
	p.open = -1
	if rng.IntN(3) == 0 {
		p.epoch, p.next = p.epoch+1, 0
	}
	b := record.ControlBatch(record.Control{Marker: marker, CoordinatorEpoch: 1}, pid, p.epoch, 1000)
	m.end++
	m.ends = append(m.ends, m.end)
	_, err := l.Append(b, AppendOptions{Origin: Coordinator, LeaderEpoch: max(l.LeaderEpoch(), 0)})
	return err
}

// truncate cuts both above the high watermark, as a follower may have to.
func (m *cleanModel) truncate(l *Log, rng *rand.Rand) error {
	if err := l.Truncate(m.high + rng.Int64N(m.end-m.high+1)); err != nil {
		return err
	}
	m.end = l.LogEnd()
	m.start = min(m.start, m.end)
	m.ends = slices.DeleteFunc(m.ends, func(end int64) bool { return end > m.end })
	m.high = m.end // what is left was committed, says the new leader
	m.records = slices.DeleteFunc(m.records, func(r modelRecord) bool { return r.offset >= m.end })
	for pid, p := range m.producers {
		p.epoch, p.next, p.open = 0, 0, -1
		if s, ok := l.Producer(pid); ok {
			p.epoch, p.next, p.open = s.Epoch, s.LastSequence+1, s.TxnFirstOffset
		}
		for first, marker := range p.markers {
			if marker >= m.end {
				delete(p.aborted, first)
				delete(p.markers, first)
			}
		}
	}
	return nil
}

// observe reads a log from an offset to its end as a client does.
func observe(l *Log, from, to int64, committed bool) (map[string]string, error) {
	last := map[string]string{}
	list, err := l.AbortedTransactions(from, to)
	if err != nil {
		return nil, err
	}
	dropping := map[int64]bool{}
	var r record.Reader
	for at := from; at < to; {
		data, err := l.Read(at, 700, to)
		if err != nil {
			return nil, err
		}
		if len(data) == 0 {
			break
		}
		for ; len(data) > 0; data = data[r.Header().Size():] {
			h, err := record.Check(data, record.Limits{Sparse: true})
			if err == nil {
				err = r.Reset(data)
			}
			if err != nil {
				return nil, err
			}
			at = h.LastOffset() + 1
			for len(list) > 0 && list[0].FirstOffset <= h.LastOffset() {
				dropping[list[0].ProducerID] = true
				list = list[1:]
			}
			if h.Control() {
				delete(dropping, h.ProducerID)
				continue
			}
			for rec := (record.Record{}); r.Next(&rec); {
				if rec.Offset < from || committed && h.Transactional() && dropping[h.ProducerID] {
					continue
				}
				if last[string(rec.Key)] = string(rec.Value); rec.Value == nil {
					last[string(rec.Key)] = "-"
				}
			}
			if r.Err() != nil {
				return nil, r.Err()
			}
		}
	}
	return last, nil
}

// check compares what readers see with the model; cleaned is another point up to
// which aborted records may be gone, for a cleaning that was interrupted.
func (m *cleanModel) check(l *Log, rng *rand.Rand, cleaned int64) error {
	if l.LogEnd() != m.end || l.LogStart() != m.start {
		return fmt.Errorf("the log has %d to %d, want %d to %d", l.LogStart(), l.LogEnd(), m.start, m.end)
	}
	if got := l.LastStable(m.high); got != m.lastStable() {
		return fmt.Errorf("last stable offset %d, want %d", got, m.lastStable())
	}
	from := m.start
	if rng.IntN(3) > 0 {
		from += rng.Int64N(m.end - m.start + 1)
	}
	for _, committed := range []bool{false, true} {
		to := m.end
		if committed {
			to = max(from, m.lastStable())
		}
		got, err := observe(l, from, to, committed)
		if err != nil {
			return err
		}
		low, high := m.last(from, committed, m.cleaned), m.last(from, committed, cleaned)
		for key, value := range got {
			if value != low[key] && value != high[key] {
				return fmt.Errorf("from %d, committed %v: %s=%s, want %s", from, committed, key, value, low[key])
			}
		}
		for key, value := range low {
			if _, found := got[key]; !found && value != "-" && high[key] != "-" && high[key] != "" {
				return fmt.Errorf("from %d, committed %v: %s=%s is missing", from, committed, key, value)
			}
		}
	}
	return nil
}

// continues has every producer write its next batch, and refuses one behind a gap.
func (m *cleanModel) continues(l *Log, now time.Time) error {
	for pid, p := range m.producers {
		h := record.Header{ProducerID: pid, ProducerEpoch: p.epoch, BaseSequence: p.next + 7}
		if pid > 0 {
			h.Attributes = record.AttrTransactional
		}
		known, ok := l.Producer(pid)
		if ok && known.LastSequence >= 0 {
			if _, err := l.Append(keyed(h, "k", "v"), AppendOptions{LeaderEpoch: l.LeaderEpoch()}); err == nil {
				return fmt.Errorf("producer %d: a gap in its sequence was accepted", pid)
			}
		}
		if (p.next > 0 || p.epoch > 0) && (!ok || known.Epoch != p.epoch) {
			return fmt.Errorf("producer %d: %+v is known, its epoch is %d", pid, known, p.epoch)
		}
		h.BaseSequence = p.next
		if _, err := l.Append(keyed(h, "k", "v"), AppendOptions{LeaderEpoch: max(l.LeaderEpoch(), 0)}); err != nil {
			return fmt.Errorf("producer %d: %w", pid, err)
		}
	}
	return nil
}

// cleanRun drives a log and its model.
type cleanRun struct {
	t   *testing.T
	rng *rand.Rand
	fs  *vfs.Mem
	n   *node
	l   *Log
	m   *cleanModel
	c   Config
	now time.Time
	// journal has the disk's journal used for every round.
	journal bool
}

func newCleanRun(t *testing.T, rng *rand.Rand) *cleanRun {
	r := &cleanRun{t: t, rng: rng, fs: vfs.NewMem(), m: newCleanModel(), now: time.Now(),
		c: Config{SegmentBytes: 500 + rng.Int64N(2000), IndexInterval: 1 + rng.Int64N(500), DeleteRetention: time.Hour, Compact: true}, journal: rng.IntN(2) == 0}
	r.reopen()
	return r
}

func (r *cleanRun) reopen() {
	r.m.high = r.m.end // all of it is durable, and there is no other replica
	r.n = openDisk(r.t, r.fs, r.options)
	r.l = openTestLog(r.t, r.n, r.c)
}

func (r *cleanRun) options(o *Options) {
	if r.journal {
		o.Journal, o.JournalFileBytes = JournalOn, 64<<10
	}
}

func (r *cleanRun) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%v\n%s%s", err, contents(r.t, r.l), r.n.logs)
	}
}

// raise moves the high watermark.
func (r *cleanRun) raise() {
	durable(r.t, r.l, r.m.end)
	if n := len(r.m.ends); n > 0 {
		r.m.high = max(r.m.high, r.m.ends[r.rng.IntN(n)])
	}
}

func (r *cleanRun) clean() {
	r.raise()
	r.must(r.l.Checkpoint())
	_, err := r.l.Clean(r.t.Context(), r.now, r.m.high)
	r.must(err)
	r.m.cleaned = max(r.m.cleaned, r.l.dirty)
}

func (r *cleanRun) step() {
	switch r.rng.IntN(24) {
	case 0, 1:
		r.clean()
	case 2:
		r.now = r.now.Add(time.Duration(r.rng.IntN(50)) * time.Minute)
	case 3:
		r.must(r.m.truncate(r.l, r.rng))
	case 4: // in order
		r.must(r.n.Close(1))
		if r.rng.IntN(2) == 0 && r.m.start == 0 {
			removeCaches(r.t, r.fs)
		}
		r.reopen()
	case 5: // without power
		durable(r.t, r.l, r.m.end)
		r.fs = r.fs.CrashClone(r.rng)
		r.reopen()
	case 6:
		if r.rng.IntN(4) == 0 {
			r.raise()
			_, err := r.l.DeleteRecords(r.m.start + r.rng.Int64N(r.m.high-r.m.start+1))
			r.must(err)
			r.m.start = r.l.LogStart()
		}
	case 7, 8, 9, 10:
		r.must(r.m.mark(r.l, r.rng))
	default:
		r.must(r.m.append(r.l, r.rng))
	}
}

// outdate gives every key a new value and compacts until nothing but that is left,
// and what producers need.
func (r *cleanRun) outdate() {
	for pid, p := range r.m.producers {
		if p.open >= 0 {
			b := record.ControlBatch(record.Control{Marker: record.Commit, CoordinatorEpoch: 1}, pid, p.epoch, 1000)
			_, err := r.l.Append(b, AppendOptions{Origin: Coordinator, LeaderEpoch: r.l.LeaderEpoch()})
			r.must(err)
			p.markers[p.open], p.open = r.m.end, -1
			r.m.end++
		}
	}
	for round := range 3 {
		for key := range 12 {
			pair := modelRecord{r.m.end, -1, fmt.Sprint("key-", key), fmt.Sprint("last-", round), -1}
			_, err := r.l.Append(keyed(record.Plain(), pair.key, pair.value), AppendOptions{LeaderEpoch: max(r.l.LeaderEpoch(), 0)})
			r.must(err)
			r.m.records = append(r.m.records, pair)
			r.m.end++
		}
		rollNow(r.t, r.l)
		r.now = r.now.Add(2 * time.Hour)
		r.m.high = r.m.end
		_, err := r.l.Clean(r.t.Context(), r.now, r.m.end)
		r.must(err)
		r.m.cleaned = r.l.dirty
	}
}

// TestCleanAgainstAModel appends with several producers, in and outside of
// transactions, and compacts, truncates, deletes, restarts and crashes in between.
// After each step a reader that starts anywhere finds the last value of every key, and
// after a restart every producer goes on where it stopped.
func TestCleanAgainstAModel(t *testing.T) {
	rng := randomSource(t)
	for range 8 {
		r := newCleanRun(t, rng)
		for range 130 {
			r.step()
			r.must(r.m.check(r.l, rng, r.m.cleaned))
		}
		r.outdate()
		r.must(r.n.Close(1))
		if r.m.start == 0 {
			removeCaches(t, r.fs)
		}
		r.reopen()
		r.must(r.m.check(r.l, rng, r.m.cleaned))
		r.must(r.m.continues(r.l, r.now))
	}
}

// TestCleanCrash cuts the power, and kills the process, before every call that a
// compaction makes to the disk. What is left opens, without leftovers, and readers
// and producers find what they would have found before or after.
func TestCleanCrash(t *testing.T) {
	rng := randomSource(t)
	cuts := 0
	for range 2 {
		r := newCleanRun(t, rng)
		for range 100 {
			r.step()
		}
		r.raise()
		r.m.high = r.m.end
		r.must(r.l.Checkpoint())
		var failed error
		var one sync.Mutex // the disk's other goroutines make calls, too, the last one perhaps late
		over := false
		r.fs.Inject(func(op vfs.Op, name string) error {
			one.Lock()
			defer one.Unlock()
			if !op.Changes() || failed != nil || over {
				return nil
			}
			cuts++
			for _, clone := range []*vfs.Mem{r.fs.CrashClone(rng), r.fs.KillClone()} {
				if err := r.survives(clone); err != nil {
					failed = fmt.Errorf("before %v of %s: %w", op, name, err)
				}
			}
			return nil
		})
		_, err := r.l.Clean(t.Context(), r.now, r.m.high)
		r.fs.Inject(nil)
		one.Lock()
		over = true
		one.Unlock()
		r.must(err)
		r.must(failed)
	}
	t.Logf("%d cuts", cuts)
}

func (r *cleanRun) survives(clone *vfs.Mem) error {
	n, err := tryDisk(clone, r.options)
	if err != nil {
		return err
	}
	l, err := n.OpenLog(topic, 0, r.c)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	if err := r.m.check(l, rng, r.m.end); err != nil {
		return fmt.Errorf("%w\n%s", err, n.logs)
	}
	if len(l.Recovery().Rebuilt) > 0 || l.Recovery().CutBytes > 0 {
		return fmt.Errorf("%+v", l.Recovery())
	}
	names, err := clone.List(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, _, ok := parseSegmentName(name); !ok && !slices.Contains([]string{epochsFile, startFile, checkpointFile, cleanerFile}, name) {
			return fmt.Errorf("%s was left", name)
		}
	}
	for i, s := range l.segments {
		if i+1 < len(l.segments) && s.end != l.segments[i+1].base {
			return fmt.Errorf("segment %d ends at %d, the next begins at %d", s.base, s.end, l.segments[i+1].base)
		}
	}
	if err := l.Verify(r.t.Context()); err != nil {
		return err
	}
	if err := r.m.continues(l, r.now); err != nil {
		return err
	}
	return n.Close(1)
}
