package soak

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// scanner reads partitions again and again, from their start or from the middle.
func scanner(partitions []partition) func(*actor) {
	return func(a *actor) {
		cl := a.client()
		defer cl.Close()
		for !a.over() {
			s := scan{in: partitions[a.rng.IntN(len(partitions))], committed: a.rng.IntN(2) == 0}
			if a.rng.IntN(3) > 0 {
				s.skip, s.most = a.rng.Float64(), 2000
			}
			a.scan(a.ctx, cl, s)
			a.pause(4 * a.slow)
		}
	}
}

// scan is a log that is to be read by requests of our own.
type scan struct {
	in        partition
	committed bool
	final     bool
	skip      float64 // the part of the log that is left out in front
	most      int     // records, if not 0
}

// emptyFetches is how often a log may have nothing to give below its end.
const emptyFetches = 100

// scan reads, and keeps in the history what it saw. It reads as far as the log went
// when it began.
func (a *actor) scan(ctx context.Context, cl *kgo.Client, s scan) {
	begin := a.h.now()
	e := &scanned{In: s.in, Committed: s.committed}
	err := a.cover(ctx, cl, s, e)
	if err != nil && ctx.Err() == nil {
		a.h.add(begin, event{Who: a.name, Alarm: fmt.Sprintf("scan of %v: %v", s.in, err)})
	}
	e.Final = s.final && err == nil
	a.h.add(begin, event{Who: a.name, Scan: e})
}

func (a *actor) cover(ctx context.Context, cl *kgo.Client, s scan, e *scanned) error {
	id, err := topicID(ctx, cl, real(s.in.Topic))
	if err != nil {
		return err
	}
	at, err := a.logStart(ctx, cl, s.in, e)
	if err != nil {
		return err
	}
	end := int64(-1)
	covered := span{at, at}
	defer func() { e.Covered = append(e.Covered, covered) }()
	for empty := 0; ; {
		got, next, err := a.fetch(ctx, cl, s, id, at, e)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			start, err := a.logStart(ctx, cl, s.in, e)
			if err != nil {
				return err
			}
			if start <= at {
				return fmt.Errorf("offset %d is out of range, and the log begins at %d", at, start)
			}
			if covered.To > covered.From {
				e.Covered = append(e.Covered, covered)
			}
			at, covered = start, span{start, start}
			continue
		}
		if err != nil {
			return err
		}
		if m := e.Marks[len(e.Marks)-1]; end < 0 {
			if end = m.High; s.committed {
				end = m.LSO
			}
			if from := at + int64(s.skip*float64(end-at)); from > at { // look there instead
				at, covered = from, span{from, from}
				continue
			}
		}
		for _, r := range got {
			e.Seen = append(e.Seen, a.h.see(r))
		}
		if empty++; next > at {
			empty = 0
		}
		at, covered.To = next, next
		if at >= end || s.most > 0 && len(e.Seen) > s.most {
			return nil
		}
		if empty > emptyFetches {
			return fmt.Errorf("nothing comes at %d, and the log ends at %d", at, end)
		}
	}
}

// fetch asks for what is at an offset, until the node says something.
func (a *actor) fetch(ctx context.Context, cl *kgo.Client, s scan, id [16]byte, at int64, e *scanned) (got []*kgo.Record, next int64, err error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 100, 1, 1<<20, -1
	isolation := kgo.ReadUncommitted()
	if s.committed {
		isolation, req.IsolationLevel = kgo.ReadCommitted(), 1
	}
	rt, rp := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	rt.Topic, rt.TopicID = real(s.in.Topic), id
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = s.in.Index, at, 1<<10<<a.rng.IntN(9)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	for {
		begin := a.h.now()
		r, err := cl.SeedBrokers()[0].RetriableRequest(ctx, req)
		if err != nil {
			if ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		resp := r.(*kmsg.FetchResponse)
		err = kerr.ErrorForCode(resp.ErrorCode)
		if err == nil && (len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1) {
			return nil, 0, fmt.Errorf("asked for one partition, got %+v", resp)
		}
		if err != nil {
			return nil, 0, err
		}
		p := &resp.Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			if kerr.IsRetriable(err) && ctx.Err() == nil && !errors.Is(err, kerr.OffsetOutOfRange) && !errors.Is(err, kerr.KafkaStorageError) {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			return nil, 0, err
		}
		e.Marks = append(e.Marks, marks{begin, a.h.now(), p.LogStartOffset, p.HighWatermark, p.LastStableOffset})
		fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: at, IsolationLevel: isolation, Topic: rt.Topic, Partition: s.in.Index}, p, kgo.DefaultDecompressor(), nil)
		return fp.Records, max(next, at), fp.Err
	}
}

// logStart asks where a log begins.
func (a *actor) logStart(ctx context.Context, cl *kgo.Client, p partition, e *scanned) (int64, error) {
	for {
		begin := a.h.now()
		listed, err := kadm.NewClient(cl).ListStartOffsets(ctx, real(p.Topic))
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		o, ok := listed.Lookup(real(p.Topic), p.Index)
		if err != nil || !ok || o.Err != nil {
			if errors.Is(o.Err, kerr.UnknownTopicOrPartition) {
				return 0, o.Err
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		e.Marks = append(e.Marks, marks{begin, a.h.now(), o.Offset, -1, -1})
		return o.Offset, nil
	}
}

// topicID asks which id a topic has now.
func topicID(ctx context.Context, cl *kgo.Client, name string) (id [16]byte, err error) {
	req, rt := kmsg.NewPtrMetadataRequest(), kmsg.NewMetadataRequestTopic()
	rt.Topic = &name
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return id, err
	}
	return resp.Topics[0].TopicID, kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}
