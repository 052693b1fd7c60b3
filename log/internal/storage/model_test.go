package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// modelLog is a partition as a list of records, slow and obvious.
type modelLog struct {
	start   int64
	records []string // by offset, from 0 on
	epochs  []int32  // by offset
}

func (m *modelLog) read(from, to int64) []string {
	var list []string
	for offset := from; offset < to; offset++ {
		list = append(list, fmt.Sprintf("%d=%s", offset, m.records[offset]))
	}
	return list
}

func (m *modelLog) epochEnd(epoch int32) (int32, int64) {
	found, end := int32(-1), int64(-1)
	for offset := m.start; offset < int64(len(m.records)); offset++ {
		if m.epochs[offset] <= epoch {
			found, end = m.epochs[offset], offset+1
		}
	}
	return found, end
}

// TestAgainstAModel makes random calls and compares the log with a list after
// each, through reopening and crashes of what is durable.
func TestAgainstAModel(t *testing.T) {
	rng := randomSource(t)
	for range 6 {
		fs := vfs.NewMem()
		n := openDisk(t, fs)
		config := Config{SegmentBytes: 600 + rng.Int64N(3000), IndexInterval: 1 + rng.Int64N(500)}
		l := openTestLog(t, n, config)
		m := &modelLog{}
		for range 120 {
			switch rng.IntN(16) {
			case 0:
				l.mustCheckpoint(t)
			case 1:
				before := m.start + rng.Int64N(int64(len(m.records))-m.start+1)
				if _, err := l.DeleteRecords(before); err != nil {
					t.Fatal(err)
				}
				m.start = before
			case 2:
				to := m.start + rng.Int64N(int64(len(m.records))-m.start+1)
				if err := l.Truncate(to); err != nil {
					t.Fatal(err)
				}
				end := l.LogEnd()
				if end > to || to-end >= 3 {
					t.Fatalf("truncated to %d instead of %d %+v\n%s", end, to, m, n.logs)
				}
				m.records, m.epochs = m.records[:end], m.epochs[:end]
				m.start = min(m.start, end)
			case 3:
				if err := n.Close(1); err != nil {
					t.Fatal(err)
				}
				n = openDisk(t, fs)
				l = openTestLog(t, n, config)
			case 4:
				durable(t, l, l.LogEnd())
				fs = fs.CrashClone(rng)
				n = openDisk(t, fs)
				l = openTestLog(t, n, config)
			default:
				appendBoth(t, l, m, rng)
			}
			compareWithModel(t, l, m, rng)
		}
	}
}

func (l *Log) mustCheckpoint(t *testing.T) {
	t.Helper()
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
}

func appendBoth(t *testing.T, l *Log, m *modelLog, rng *rand.Rand) {
	t.Helper()
	epoch := max(l.LeaderEpoch(), 0) + int32(rng.IntN(8)/7)
	var list []string
	for range 1 + rng.IntN(3) {
		list = append(list, strings.Repeat("v", rng.IntN(120)))
	}
	ticket, err := l.Append(plainBatch(list...), AppendOptions{LeaderEpoch: epoch})
	if err != nil || ticket.BaseOffset != int64(len(m.records)) {
		t.Fatalf("%+v %v", ticket, err)
	}
	for _, v := range list {
		m.records, m.epochs = append(m.records, v), append(m.epochs, epoch)
	}
}

func compareWithModel(t *testing.T, l *Log, m *modelLog, rng *rand.Rand) {
	t.Helper()
	end := int64(len(m.records))
	if l.LogStart() != m.start || l.LogEnd() != end {
		t.Fatalf("%d to %d, want %d to %d", l.LogStart(), l.LogEnd(), m.start, end)
	}
	from := m.start + rng.Int64N(end-m.start+1)
	to := from + rng.Int64N(end-from+1)
	got, err := readValues(l, from, to, 1+rng.IntN(2000))
	if err != nil {
		t.Fatal(err)
	}
	want := m.read(from, to)
	// A batch that reaches to or above the bound is not shown at all.
	if len(got) > len(want) || len(want)-len(got) >= 3 || fmt.Sprint(got) != fmt.Sprint(want[:len(got)]) {
		t.Fatalf("%d to %d: %v\nwant %v", from, to, got, want)
	}
	if end > m.start {
		epoch := m.epochs[end-1] - int32(rng.IntN(2))
		wantEpoch, wantEnd := m.epochEnd(epoch)
		found, foundEnd := l.EpochEnd(epoch)
		if wantEpoch >= 0 && (found != wantEpoch || foundEnd != wantEnd) {
			t.Fatalf("epoch %d: %d ends at %d, want %d at %d", epoch, found, foundEnd, wantEpoch, wantEnd)
		}
	}
}

// TestConcurrentUse has writers, readers and the upkeep at one log at once. Readers
// see every record once, in order, and never one that is not durable.
func TestConcurrentUse(t *testing.T) {
	const total = 1500
	n := openDisk(t, vfs.NewMem(), func(o *Options) { o.MaxOpenSegments = 3 })
	l := openTestLog(t, n, Config{SegmentBytes: 3000, IndexInterval: 300})
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range total / 3 {
				ticket, err := l.Append(producerBatch(int64(w), 0, int32(i), false, fmt.Sprintf("%d-%d", w, i)), AppendOptions{})
				if err == nil && i%10 == 0 {
					err = l.WaitDurable(t.Context(), ticket.LastOffset+1)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	stop := make(chan struct{})
	var upkeep sync.WaitGroup
	upkeep.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := l.Checkpoint(); err != nil {
				t.Error(err)
			}
			if err := l.Retain(time.Now(), l.Durable()); err != nil {
				t.Error(err)
			}
			_, _, _ = l.MaxTimestamp()
			_ = l.LastStable(l.Durable())
		}
	})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { followLog(t, l, total) })
	}
	wg.Wait()
	readers.Wait()
	close(stop)
	upkeep.Wait()
	if _, err := l.DeleteRecords(total / 2); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(0, 1, total); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatal(err)
	}
}

func followLog(t *testing.T, l *Log, total int64) {
	next := map[byte]int{}
	for from := int64(0); from < total; {
		if err := l.WaitDurable(t.Context(), min(from+1, l.LogEnd())); err != nil {
			t.Error(err)
			return
		}
		bound := l.Durable()
		data, err := l.Read(from, 5000, bound)
		if err != nil {
			t.Error(err)
			return
		}
		var r record.Reader
		for len(data) > 0 {
			if err := r.Reset(data); err != nil {
				t.Error(err)
				return
			}
			for rec := (record.Record{}); r.Next(&rec); from++ {
				var i int
				if _, err := fmt.Sscanf(string(rec.Value[2:]), "%d", &i); err != nil || rec.Offset != from || i != next[rec.Value[0]] {
					t.Errorf("offset %d has %s, expected offset %d and number %d", rec.Offset, rec.Value, from, next[rec.Value[0]])
					return
				}
				next[rec.Value[0]]++
			}
			data = data[r.Header().Size():]
		}
	}
}
