package storage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

func TestAppendStampsItsOwnCopy(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	mustAppend(t, l, plainBatch("first"))
	for _, size := range []int{10, smallWrite + 1000} { // one write, and header and records apart
		batch := plainBatch(strings.Repeat("x", size), "y")
		given := bytes.Clone(batch)
		ticket, err := l.Append(batch, AppendOptions{LeaderEpoch: 9})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(batch, given) {
			t.Fatal("the caller's bytes were written to")
		}
		stored, err := l.Read(ticket.BaseOffset, 1, l.LogEnd())
		if err != nil {
			t.Fatal(err)
		}
		h, err := record.Check(stored, record.Limits{})
		if err != nil || h.BaseOffset != ticket.BaseOffset || h.LeaderEpoch != 9 || !bytes.Equal(stored[16:], given[16:]) {
			t.Fatalf("%+v %v", h, err)
		}
	}
}

func TestAppendTime(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{AppendTime: true})
	for _, size := range []int{10, smallWrite + 1000} {
		ticket := mustAppend(t, l, plainBatch(strings.Repeat("x", size)))
		if ticket.AppendTimeMs < 1_700_000_000_000 {
			t.Fatal(ticket)
		}
		stored, err := l.Read(ticket.BaseOffset, 1, l.LogEnd())
		if err != nil {
			t.Fatal(err)
		}
		h, err := record.Check(stored, record.Limits{})
		if err != nil || !h.AppendTime() || h.MaxTimestamp != ticket.AppendTimeMs {
			t.Fatalf("%+v %v", h, err)
		}
	}
	first := mustAppend(t, l, producerBatch(1, 0, 0, false, "x"))
	again := mustAppend(t, l, producerBatch(1, 0, 0, false, "x"))
	if again.AppendTimeMs != first.AppendTimeMs || !again.Duplicate {
		t.Fatalf("%+v, then %+v", first, again)
	}
}

func TestAppendRefusesBadBatches(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{MaxBatchBytes: 5000})
	flipped := plainBatch("x")
	flipped[len(flipped)-1] ^= 1
	stamped := record.Plain()
	stamped.Attributes = record.AttrAppendTime
	txn := record.Plain()
	txn.Attributes = record.AttrTransactional
	old := plainBatch("x")
	old[16] = 1
	for name, c := range map[string]struct {
		batch []byte
		want  error
	}{
		"nothing":             {nil, ErrInvalidRecord},
		"a flipped bit":       {flipped, record.ErrCorrupt},
		"a cut batch":         {plainBatch("x")[:65], record.ErrCorrupt},
		"an old format":       {old, record.ErrMagic},
		"too large":           {plainBatch(strings.Repeat("x", 5000)), record.ErrTooLarge},
		"a control batch":     {record.ControlBatch(record.Control{Marker: record.Commit}, 1, 0, 0), ErrInvalidRecord},
		"append time":         {batchOf(stamped, 1, "x"), ErrInvalidRecord},
		"txn without id":      {batchOf(txn, 1, "x"), ErrInvalidRecord},
		"no sequence":         {producerBatch(1, 0, -1, false, "x"), ErrInvalidRecord},
		"two of one producer": {append(producerBatch(1, 0, 0, false, "x"), producerBatch(1, 0, 1, false, "x")...), ErrInvalidRecord},
	} {
		if _, err := l.Append(c.batch, AppendOptions{}); !errors.Is(err, c.want) || !IsBadBatch(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l.LogEnd() != 0 || l.Size() != 0 {
		t.Fatal("something was appended")
	}
}

func TestSeveralBatchesAtOnce(t *testing.T) {
	l := openTestLog(t, openDisk(t, vfs.NewMem()), Config{})
	var batches []byte
	for i := range 5 {
		batches = append(batches, plainBatch(fmt.Sprint(i), strings.Repeat("y", i*smallWrite/3))...)
	}
	if ticket := mustAppend(t, l, batches); ticket.BaseOffset != 0 || ticket.LastOffset != 9 {
		t.Fatalf("%+v", ticket)
	}
	if got := values(t, l, 0, 10); len(got) != 10 || !strings.HasPrefix(got[8], "8=4") {
		t.Fatal(len(got))
	}
}

func TestReplicationKeepsOffsetsAndEpochs(t *testing.T) {
	n := openDisk(t, vfs.NewMem())
	leader := openTestLog(t, n, Config{})
	follower, err := n.OpenLog(topic, 1, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if _, err := leader.Append(producerBatch(5, 0, int32(i), true, "x"), AppendOptions{LeaderEpoch: int32(i / 2)}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := leader.Read(0, 1<<20, 6)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := follower.Append(data, AppendOptions{Origin: Replication}); err != nil {
		t.Fatal(err)
	}
	copied, err := follower.Read(0, 1<<20, 6)
	if err != nil || !bytes.Equal(copied, data) {
		t.Fatal("not a verbatim copy", err)
	}
	if a, b := describe(leader), describe(follower); a != b {
		t.Fatalf("leader\n%s\nfollower\n%s", a, b)
	}
	if _, err := follower.Append(data, AppendOptions{Origin: Replication}); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatalf("the same again: %v", err)
	}
	if _, err := leader.Append(plainBatch("x"), AppendOptions{LeaderEpoch: 1}); !errors.Is(err, ErrStaleEpoch) {
		t.Fatalf("an old leader: %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, records := range []int{10, 100, 1000, 5000} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			d, err := Open(Options{FS: vfs.OS(), Dir: b.TempDir(), Policy: OS})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close(-1)
			l, err := d.OpenLog(topic, 0, Config{SegmentBytes: 256 << 20, RetentionBytes: 1})
			if err != nil {
				b.Fatal(err)
			}
			list := make([]string, records)
			for i := range list {
				list[i] = fmt.Sprintf("%0190d", i)
			}
			batch := plainBatch(list...)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += records {
				if _, err := l.Append(batch, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, maxBytes := range []int{100_000, 1 << 20} {
		b.Run(fmt.Sprint(maxBytes), func(b *testing.B) {
			d, err := Open(Options{FS: vfs.OS(), Dir: b.TempDir(), Policy: OS})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close(-1)
			l, err := d.OpenLog(topic, 0, Config{})
			if err != nil {
				b.Fatal(err)
			}
			list := make([]string, 100)
			for i := range list {
				list[i] = fmt.Sprintf("%0190d", i)
			}
			batch := plainBatch(list...)
			for range 1000 {
				if _, err := l.Append(batch, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			at := int64(0)
			for i := 0; i < b.N; {
				if at == l.LogEnd() {
					at = 0
				}
				data, err := l.Read(at, maxBytes, l.LogEnd())
				if err != nil {
					b.Fatal(err)
				}
				n := len(data) / len(batch) * 100
				at += int64(n)
				i += n
			}
		})
	}
}
