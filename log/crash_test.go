package log

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// told is what clients were told: values that are in a partition for ever, an offset
// that a group has for ever, and the furthest high watermark that a reader saw.
type told struct {
	values    map[int32][]string
	committed int64
	seen      [4]int64
}

// ledger is a told that grows.
type ledger struct {
	mu sync.Mutex
	told
}

func (l *ledger) snapshot() told {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.told
	c.values = map[int32][]string{}
	for p, vs := range l.values {
		c.values[p] = vs[:len(vs):len(vs)]
	}
	return c
}

// The power goes at any moment while clients write, read and commit. What they were
// told is there afterwards, in order; nobody had read what is not; and no leader
// epoch is used again.
func TestPowerCuts(t *testing.T) {
	rng := seeded(t)
	fs := vfs.NewMem()
	first := openNode(t, fs)
	create(t, first.Session(SessionOptions{}), "t", 4)
	closeNode(t, first)

	known := told{values: map[int32][]string{}, committed: -1}
	last := map[int32]int32{}
	for life := range 12 {
		n, err := Open(t.Context(), Options{DataDir: "data", FS: fs, Logger: discard(), strict: true, journalFileBytes: 256 << 10})
		if err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		epochs := checkLife(t, n, known)
		for p, e := range epochs {
			if before, ok := last[p]; ok && e <= before {
				t.Errorf("life %d: partition %d has leader epoch %d after %d", life, p, e, before)
			}
		}
		if t.Failed() {
			_ = n.Close(canceled())
			return
		}
		last = epochs
		l := &ledger{told: known}
		fs, known = liveAndCut(t, n, fs, l, life, int64(rng.IntN(120)+1), rng)
	}
}

// liveAndCut lets clients work until so many appends are acknowledged, cuts the
// power and returns what is on the disk and what was told before.
func liveAndCut(t *testing.T, n *Node, fs *vfs.Mem, l *ledger, life int, enough int64, rng *rand.Rand) (*vfs.Mem, told) {
	ctx, stop := context.WithCancel(within(t))
	var wg sync.WaitGroup
	var done atomic.Int64
	for p := range int32(4) {
		wg.Go(func() { writeForever(ctx, n, p, life, l, &done) })
		wg.Go(func() { readForever(ctx, n, p, l) })
	}
	wg.Go(func() { commitForever(ctx, n, l) })
	for done.Load() < enough && ctx.Err() == nil {
		runtime.Gosched()
	}
	known := l.snapshot()
	cut := fs.CrashClone(rng) // all that was told until here must be in it
	stop()
	wg.Wait()
	_ = n.Close(canceled())
	return cut, known
}

// checkLife reads everything and compares it with what was told; it returns the
// leader epochs.
func checkLife(t *testing.T, n *Node, told told) map[int32]int32 {
	t.Helper()
	s := n.Session(SessionOptions{})
	topic := n.meta.Image().TopicByName("t")
	epochs := map[int32]int32{}
	for p := range int32(4) {
		epochs[p] = topic.Partitions[p].LeaderEpoch
		values, end := readAll(t, s, topic.ID, p)
		if end < told.seen[p] {
			t.Errorf("partition %d: a reader saw offset %d, the log ends at %d", p, told.seen[p], end)
		}
		// What was told is a subsequence: an append whose answer the cut swallowed may
		// be there too.
		i := 0
		for _, v := range values {
			if i < len(told.values[p]) && told.values[p][i] == v {
				i++
			}
		}
		if i < len(told.values[p]) {
			t.Errorf("partition %d: %q was acknowledged and is not there (%d of %d are)", p, told.values[p][i], i, len(told.values[p]))
		}
	}
	if got := committedOffset(t, s); got < told.committed {
		t.Errorf("the group committed %d and is at %d", told.committed, got)
	}
	return epochs
}

func readAll(t *testing.T, s *Session, id [16]byte, partition int32) (values []string, end int64) {
	t.Helper()
	var r record.Reader
	var rec record.Record
	for offset := int64(0); ; {
		req := fetchRequest("t", id, offset)
		req.Topics[0].Partitions[0].Partition = partition
		p, err := sessionFetch(within(t), s, req)
		if err != nil || p.ErrorCode != 0 {
			t.Fatalf("read partition %d at %d: %v, error %d", partition, offset, err, p.ErrorCode)
		}
		if len(p.RecordBatches) == 0 {
			return values, p.HighWatermark
		}
		for rest := p.RecordBatches; len(rest) > 0; {
			batch, next, err := record.Split(rest)
			if err == nil {
				_, err = record.Check(batch, record.Limits{})
			}
			if err == nil {
				err = r.Reset(batch)
			}
			if err != nil {
				t.Fatalf("partition %d at %d: %v", partition, offset, err)
			}
			for r.Next(&rec) {
				values = append(values, string(rec.Value))
				offset = rec.Offset + 1
			}
			rest = next
		}
	}
}

func committedOffset(t *testing.T, s *Session) int64 {
	t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	req.Groups = append(req.Groups, g)
	for {
		resp, err := req.RequestWith(within(t), s)
		if err != nil {
			t.Fatal(err)
		}
		switch g := resp.Groups[0]; {
		case g.ErrorCode == 14: // the coordinator is loading
			runtime.Gosched()
			continue
		case len(g.Topics) > 0:
			return g.Topics[0].Partitions[0].Offset
		}
		return -1
	}
}

func writeForever(ctx context.Context, n *Node, partition int32, life int, l *ledger, done *atomic.Int64) {
	s := n.Session(SessionOptions{})
	id := n.meta.Image().TopicByName("t").ID
	for i := 0; ctx.Err() == nil; i++ {
		v := fmt.Sprintf("%d-%d-%d", partition, life, i)
		req := produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", v}))
		req.Topics[0].Partitions[0].Partition = partition
		p, err := sessionProduce(ctx, s, req)
		if err != nil || p.ErrorCode != 0 {
			continue
		}
		l.mu.Lock()
		l.values[partition] = append(l.values[partition], v)
		l.mu.Unlock()
		done.Add(1)
	}
}

func readForever(ctx context.Context, n *Node, partition int32, l *ledger) {
	s := n.Session(SessionOptions{})
	id := n.meta.Image().TopicByName("t").ID
	for ctx.Err() == nil {
		req := fetchRequest("t", id, 0)
		req.Topics[0].Partitions[0].Partition = partition
		p, err := sessionFetch(ctx, s, req)
		if err != nil || p.ErrorCode != 0 {
			continue
		}
		l.mu.Lock()
		l.seen[partition] = max(l.seen[partition], p.HighWatermark)
		l.mu.Unlock()
	}
}

func commitForever(ctx context.Context, n *Node, l *ledger) {
	s := n.Session(SessionOptions{})
	l.mu.Lock()
	at := l.committed
	l.mu.Unlock()
	for ctx.Err() == nil {
		at++
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = "g", -1
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = "t", n.meta.Image().TopicByName("t").ID
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Offset, rp.LeaderEpoch = at, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(ctx, s)
		if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
			continue
		}
		l.mu.Lock()
		l.committed = at
		l.mu.Unlock()
	}
}
