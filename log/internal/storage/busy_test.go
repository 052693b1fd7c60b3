package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// TestReadersWhileEverythingMoves reads a log of tiny segments from several goroutines
// while others append, compact, checkpoint and delete records. Nobody is told of damage
// where there is none, and nobody that an offset is out of range that is in the log: who
// asked for the highest timestamp while records were deleted was told so.
func TestReadersWhileEverythingMoves(t *testing.T) {
	rng := randomSource(t)
	n := openDisk(t, vfs.NewMem(), func(o *Options) { o.MaxOpenSegments = 4 })
	b := &busy{t: t, l: openTestLog(t, n, Config{SegmentBytes: 600, Compact: true, DeleteRetention: time.Millisecond})}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var others sync.WaitGroup
	for name, turn := range map[string]func(*rand.Rand) error{
		"reader": b.read, "second reader": b.read, "aborted": b.aborted, "times": b.times, "verify": b.verify, "cleaner": b.clean, "deleter": b.delete,
	} {
		mine := rand.New(rand.NewPCG(rng.Uint64(), 0))
		others.Go(func() {
			for ctx.Err() == nil {
				if err := turn(mine); err != nil {
					t.Errorf("%s: %v", name, err)
					stop()
				}
			}
		})
	}
	batches := int32(2000)
	if testing.Short() {
		batches = 500
	}
	for i := int32(0); i < batches && ctx.Err() == nil; i++ {
		b.append(rng, i)
	}
	stop()
	others.Wait()
	t.Logf("%d turns, the log is %d to %d", b.turns.Load(), b.l.LogStart(), b.l.LogEnd())
}

type busy struct {
	t     *testing.T
	l     *Log
	turns atomic.Int64
}

// append writes a batch of one producer's transactions, some of which it aborts.
func (b *busy) append(rng *rand.Rand, i int32) {
	h := record.Header{ProducerID: 7, BaseSequence: i, Attributes: record.AttrTransactional}
	mustAppend(b.t, b.l, keyed(h, fmt.Sprint(rng.IntN(20)), fmt.Sprint(i)))
	if rng.IntN(3) == 0 {
		mustMark(b.t, b.l, record.Marker(rng.IntN(2)), 7, 0, 1)
	}
	if rng.IntN(40) == 0 {
		durable(b.t, b.l, b.l.LogEnd())
	}
}

// somewhere is an offset that is in the log, or was a moment ago.
func (b *busy) somewhere(rng *rand.Rand) int64 {
	start, end := b.l.LogStart(), b.l.LogEnd()
	return start + rng.Int64N(end-start+1)
}

// judge passes over what a deletion explains.
func (b *busy) judge(offset int64, err error) error {
	b.turns.Add(1)
	if err == nil || errors.Is(err, ErrOffsetOutOfRange) && offset < b.l.LogStart() {
		return nil
	}
	return fmt.Errorf("at %d: %w", offset, err)
}

func (b *busy) read(rng *rand.Rand) error {
	offset := b.somewhere(rng)
	data, err := b.l.Read(offset, 1+rng.IntN(2000), b.l.LogEnd())
	for err == nil && len(data) > 0 {
		var h record.Header
		if h, err = record.Check(data, record.Limits{Sparse: true}); err == nil && h.LastOffset() < offset {
			err = fmt.Errorf("batch %d to %d", h.BaseOffset, h.LastOffset())
		}
		data = data[min(h.Size(), len(data)):]
	}
	return b.judge(offset, err)
}

func (b *busy) aborted(rng *rand.Rand) error {
	offset := b.somewhere(rng)
	_, err := b.l.AbortedTransactions(offset, b.l.LogEnd())
	return b.judge(offset, err)
}

func (b *busy) times(rng *rand.Rand) error {
	offset := b.somewhere(rng)
	_, _, err := b.l.OffsetForTimestamp(int64(rng.IntN(2000)), b.l.LogEnd())
	if err == nil {
		_, _, err = b.l.MaxTimestamp()
	}
	return b.judge(offset, err)
}

func (b *busy) verify(*rand.Rand) error { return b.judge(0, b.l.Verify(b.t.Context())) }

func (b *busy) delete(rng *rand.Rand) error {
	time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
	offset := b.somewhere(rng)
	_, err := b.l.DeleteRecords(offset - (offset-b.l.LogStart())/2)
	return b.judge(offset, err)
}

func (b *busy) clean(*rand.Rand) error {
	_, err := b.l.Clean(b.t.Context(), time.Now().Add(time.Hour), b.l.LogEnd())
	return b.judge(0, err)
}
