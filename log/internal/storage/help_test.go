package storage

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 draws one")

// randomSource is a generator whose seed the test prints, so that -seed brings the
// run back.
func randomSource(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("go test -run '%s' -seed %d", t.Name(), seed)
	return rand.New(rand.NewPCG(seed, 0))
}

var topic = [16]byte{0xaa, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// node is a disk under test and what it reported.
type node struct {
	*Disk
	fatal chan error
	logs  *bytes.Buffer
}

func openDisk(t *testing.T, fsys vfs.FS, change ...func(*Options)) *node {
	t.Helper()
	n, err := tryDisk(fsys, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n.Err() == nil {
			_ = n.Close(-1)
		}
	})
	return n
}

func tryDisk(fsys vfs.FS, change ...func(*Options)) (*node, error) {
	n := &node{fatal: make(chan error, 10), logs: new(bytes.Buffer)}
	o := Options{
		FS: fsys, Dir: "/data", Fatal: func(err error) { n.fatal <- err },
		Logger: slog.New(slog.NewTextHandler(n.logs, nil)),
	}
	for _, f := range change {
		f(&o)
	}
	d, err := Open(o)
	n.Disk = d
	return n, err
}

func openTestLog(t *testing.T, n *node, c Config) *Log {
	t.Helper()
	l, err := n.OpenLog(topic, 0, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// batchOf builds a batch of values, one record each, with timestamps counting up
// from a time.
func batchOf(h record.Header, timeMs int64, values ...string) []byte {
	var b record.Builder
	for i, v := range values {
		b.Append(timeMs+int64(i), nil, []byte(v), nil)
	}
	return bytes.Clone(b.Finish(h))
}

func plainBatch(values ...string) []byte { return batchOf(record.Plain(), 1000, values...) }

func producerBatch(pid int64, epoch int16, seq int32, txn bool, values ...string) []byte {
	h := record.Header{ProducerID: pid, ProducerEpoch: epoch, BaseSequence: seq}
	if txn {
		h.Attributes = record.AttrTransactional
	}
	return batchOf(h, 1000, values...)
}

func mustAppend(t *testing.T, l *Log, batch []byte) Ticket {
	t.Helper()
	ticket, err := l.Append(batch, AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func mustMark(t *testing.T, l *Log, marker record.Marker, pid int64, epoch int16, coordinator int32) Ticket {
	t.Helper()
	b := record.ControlBatch(record.Control{Marker: marker, CoordinatorEpoch: coordinator}, pid, epoch, 1000)
	ticket, err := l.Append(b, AppendOptions{Origin: Coordinator})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func durable(t *testing.T, l *Log, offset int64) {
	t.Helper()
	if err := l.WaitDurable(t.Context(), offset); err != nil {
		t.Fatal(err)
	}
}

// values reads a log from an offset to a bound, a few bytes at a time.
func values(t *testing.T, l *Log, from, to int64) []string {
	t.Helper()
	list, err := readValues(l, from, to, 500)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func readValues(l *Log, from, to int64, maxBytes int) ([]string, error) {
	var list []string
	var r record.Reader
	for from < to {
		data, err := l.Read(from, maxBytes, to)
		if err != nil {
			return nil, err
		}
		if len(data) == 0 {
			return list, nil
		}
		for rest := data; len(rest) > 0; {
			h, err := record.Check(rest, record.Limits{Sparse: true})
			if err != nil {
				return nil, err
			}
			if h.LastOffset() >= to {
				return nil, fmt.Errorf("batch %d to %d, read up to %d", h.BaseOffset, h.LastOffset(), to)
			}
			if err := r.Reset(rest); err != nil {
				return nil, err
			}
			for rec := (record.Record{}); r.Next(&rec); {
				if rec.Offset >= from {
					list = append(list, fmt.Sprintf("%d=%s", rec.Offset, rec.Value))
				}
			}
			if r.Err() != nil {
				return nil, r.Err()
			}
			rest = rest[h.Size():]
			from = h.LastOffset() + 1
		}
	}
	return list, nil
}
