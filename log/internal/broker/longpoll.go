package broker

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/record"
)

// collect reads until there are enough bytes, the time is up, or there is something
// else to say.
//
// The simple way is to read everything again whenever something was appended, and
// to throw it away while it is too little; a consumer that wants a megabyte would
// then read a gigabyte for it. So each partition goes on where it stopped, and only
// those are read that have something new. No goroutine waits: partitions call back,
// and the connection's own goroutine sleeps on one channel.
func (f *fetching) collect(ctx context.Context) error {
	limit := min(int(max(f.req.MaxBytes, 0)), f.c.fetchLimit(f.c.opts.Limits.FetchBytes))
	l, err := f.c.responseMemory.takeSome(ctx, int64(limit))
	if err != nil {
		return err
	}
	limit = min(limit, int(l.size))
	for i := range f.parts {
		f.read(&f.parts[i], limit)
	}
	l.shrink(int64(f.bytes))
	f.c.loans = append(f.c.loans, l)

	wait := min(time.Duration(max(f.req.MaxWaitMillis, 0))*time.Millisecond, f.c.opts.Limits.Wait)
	if f.enough() || wait == 0 {
		return nil
	}
	f.c.waits(func() { err = f.wait(ctx, wait, limit) })
	return err
}

// enough tells whether the answer should leave now.
func (f *fetching) enough() bool {
	return f.settled || f.bytes+f.spare >= int(f.req.MinBytes) || len(f.parts) == 0
}

// wait sleeps until enough has been read, or for so long.
func (f *fetching) wait(ctx context.Context, d time.Duration, limit int) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	wake := make(chan struct{}, 1)
	w := make([]watched, len(f.parts))
	defer func() {
		for i := range w {
			w[i].stop()
		}
	}()
	for i := range f.parts {
		w[i].wake = wake
		w[i].start(&f.parts[i], f.isolation)
	}
	for !f.enough() {
		select {
		case <-wake:
		case <-timer.C:
			return nil
		case <-f.c.open.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		// What more is read is lent if it can be had at once; if not, the client gets
		// what there is, and asks again.
		l, ok := f.c.responseMemory.tryTake(int64(max(limit-f.bytes, 0)))
		if !ok {
			return nil
		}
		before := f.bytes
		for i := range f.parts {
			if w[i].fired.Load() {
				f.read(&f.parts[i], limit)
				w[i].start(&f.parts[i], f.isolation)
			}
		}
		l.shrink(int64(max(f.bytes-before, 0)))
		f.c.loans = append(f.c.loans, l)
	}
	return nil
}

// watched is a partition that calls back when it has something new.
type watched struct {
	watch replica.Watch
	fired atomic.Bool
	wake  chan<- struct{}
}

func (w *watched) start(part *fetchPart, isolation replica.Isolation) {
	w.stop()
	w.fired.Store(false)
	if part.led == nil || part.full {
		return
	}
	w.watch.Start(part.led, part.next, isolation, w)
}

func (w *watched) stop() { w.watch.Stop() }

// Wake implements replica.Waker.
func (w *watched) Wake() {
	w.fired.Store(true)
	select {
	case w.wake <- struct{}{}:
	default: // somebody else has woken it
	}
}

// read adds what a partition has to the response, at least one batch if that is
// still empty (KIP-74).
func (f *fetching) read(part *fetchPart, limit int) {
	if part.led == nil {
		return
	}
	have := len(part.resp.RecordBatches)
	own, all := max(int(part.req.PartitionMaxBytes)-have, 0), max(limit-f.bytes, 0)
	first := f.bytes == 0
	r, err := part.led.Fetch(part.next, min(own, all), f.isolation, first)
	if err != nil {
		f.fail(part, err)
		return
	}
	resp := part.resp
	resp.HighWatermark, resp.LastStableOffset, resp.LogStartOffset = r.HighWatermark, r.LastStable, r.LogStart
	if f.isolation == replica.ReadCommitted {
		resp.AbortedTransactions = addAborted(resp.AbortedTransactions, r.Aborted)
	}
	if len(r.Batches) == 0 {
		switch end := f.end(&r); {
		case part.next >= end:
		case first: // compaction has left nothing up to there
			part.next = end
		default:
			f.fill(part, own, all)
		}
		return
	}
	f.bytes += len(r.Batches)
	if have == 0 {
		resp.RecordBatches = r.Batches
	} else {
		resp.RecordBatches = slices.Concat(resp.RecordBatches, r.Batches)
	}
	part.next = endOf(r.Batches)
}

// end is where what the client may see ends.
func (f *fetching) end(r *replica.FetchResult) int64 {
	if f.isolation == replica.ReadCommitted {
		return r.LastStable
	}
	return r.HighWatermark
}

// fill notes that a partition has more, and that it does not fit: of its own share so
// many bytes are left, and so many of the answer. Nobody need wait for it then. If the
// answer is full it leaves. If the partition's share is, that counts as a whole, as in
// Kafka, which cuts the last batch off: a client that wants at least as much as it wants
// at most has got it.
func (f *fetching) fill(part *fetchPart, own, all int) {
	if all <= own {
		f.settled = true
	} else if !part.full {
		f.spare += own
	}
	part.full = true
}

// addAborted merges the lists of two reads; a transaction may be in both. Not nil.
func addAborted(list []kmsg.FetchResponseTopicPartitionAbortedTransaction, more []replica.AbortedTransaction) []kmsg.FetchResponseTopicPartitionAbortedTransaction {
	if list == nil {
		list = make([]kmsg.FetchResponseTopicPartitionAbortedTransaction, 0, len(more))
	}
	old := len(list)
	for _, a := range more {
		t := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		t.ProducerID, t.FirstOffset = a.ProducerID, a.FirstOffset
		known := slices.ContainsFunc(list[:old], func(k kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
			return k.ProducerID == t.ProducerID && k.FirstOffset == t.FirstOffset
		})
		if !known {
			list = append(list, t)
		}
	}
	return list
}

// endOf is the offset after the last of whole record batches.
func endOf(batches []byte) int64 {
	var end int64
	for len(batches) > 0 {
		batch, rest, err := record.Split(batches)
		if err != nil {
			break
		}
		h, err := record.ParseHeader(batch)
		if err != nil {
			break
		}
		end, batches = h.LastOffset()+1, rest
	}
	return end
}
