package differential

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// batch is n records at a timestamp.
func batch(h record.Header, n int, timestampMs int64) []byte {
	var b record.Builder
	for i := range n {
		b.Append(timestampMs, []byte{'k', byte(i)}, []byte{byte(n), byte(i)}, nil)
	}
	return b.Finish(h)
}

// send produces one batch and says where it went.
func (s *side) send(ctx context.Context, gen int, topic string, partition int32, txn *string, b []byte) string {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis, req.TransactionID = -1, 5000, txn
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = topic, s.topics[topic]
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, b
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := ask[*kmsg.ProduceResponse](ctx, s, gen, req)
	if err != nil {
		return err.Error()
	}
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return code(p.ErrorCode)
	}
	out := fmt.Sprint("ok offset=", p.BaseOffset)
	if resp.Version >= 5 {
		out += fmt.Sprint(" start=", p.LogStartOffset)
	}
	return out
}

func produce(d drawer) op {
	topic, partition, n, ts, gen := d.topic(), d.partition(), d.recordCount(), d.timestamp(), d.generation()
	return op{fmt.Sprintf("produce %d to %s/%d at %d gen=%d", n, topic, partition, ts, gen), func(ctx context.Context, s *side) string {
		return s.send(ctx, gen, topic, partition, nil, batch(record.Plain(), n, ts))
	}}
}

// sequenced is a header with the producer's identity.
func (p *producer) sequenced(epochShift int16, sequence int32, transactional bool) record.Header {
	h := record.Plain()
	h.ProducerID, h.ProducerEpoch, h.BaseSequence = p.id, p.epoch+epochShift, sequence
	if transactional {
		h.Attributes |= 1 << 4
	}
	return h
}

func initProducer(d drawer) op {
	name, gen := d.producer(), d.generation()
	return op{fmt.Sprintf("init %s gen=%d", name, gen), func(ctx context.Context, s *side) string {
		return s.initProducer(ctx, gen, name, nil)
	}}
}

// initProducer does not tell the epoch: an InitProducerId that aborts raises it twice in
// Kafka, once in kfake.
func (s *side) initProducer(ctx context.Context, gen int, name string, txn *string) string {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = txn, 60_000
	resp, err := ask[*kmsg.InitProducerIDResponse](ctx, s, gen, req)
	if err != nil {
		return err.Error()
	}
	if resp.ErrorCode != 0 {
		return code(resp.ErrorCode)
	}
	*s.producer(name) = producer{resp.ProducerID, resp.ProducerEpoch}
	return "ok " + s.pid(resp.ProducerID)
}

// Sequences are drawn, so that some repeat, some leave a gap and some go on.
func produceIdempotent(d drawer) op {
	name, topic, partition, sequence, n, gen := d.producer(), d.topic(), d.partition(), int32(d.IntN(5)), d.recordCount(), d.generation()
	shift := int16(0)
	if d.rarely() {
		shift = -1
	}
	return op{fmt.Sprintf("idempotent %s epoch%+d seq=%d %d to %s/%d gen=%d", name, shift, sequence, n, topic, partition, gen), func(ctx context.Context, s *side) string {
		p := s.producer(name)
		if p.id < 0 || p.epoch+shift < 0 {
			return "no producer"
		}
		h := p.sequenced(shift, s.sequence(p, topic, partition, sequence), false)
		got := s.send(ctx, gen, topic, partition, nil, batch(h, n, 1_700_000_000_000))
		s.written[p.at(topic, partition)] = s.written[p.at(topic, partition)] || strings.HasPrefix(got, "ok")
		return got
	}}
}

// sequence is 0 for the first batch of a producer's epoch to a partition: Kafka takes any
// there, kfake none but 0.
func (s *side) sequence(p *producer, topic string, partition, drawn int32) int32 {
	if !s.written[p.at(topic, partition)] {
		return 0
	}
	return drawn
}

// at names a partition as an epoch of a producer sees it.
func (p *producer) at(topic string, partition int32) string {
	return fmt.Sprintf("%s/%d %d/%d", topic, partition, p.id, p.epoch)
}

func fetch(d drawer) op {
	topic, partition, offset, isolation, gen := d.topic(), d.partition(), d.offset(), d.isolation(), d.generation()
	return op{fmt.Sprintf("fetch %s/%d from %d isolation=%d gen=%d", topic, partition, offset, isolation, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrFetchRequest()
		req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = 0, 0, 1<<20, isolation
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic, rt.TopicID = topic, s.topics[topic]
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = partition, offset, 1<<20
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.FetchResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		if resp.ErrorCode != 0 || len(resp.Topics) == 0 {
			return fmt.Sprint("all ", code(resp.ErrorCode))
		}
		return s.fetched(&resp.Topics[0].Partitions[0], resp.Version)
	}}
}

// fetched is a partition's answer: where it ends, what was aborted, and each batch.
func (s *side) fetched(p *kmsg.FetchResponseTopicPartition, version int16) string {
	if p.ErrorCode != 0 {
		return code(p.ErrorCode)
	}
	out := fmt.Sprintf("ok high=%d stable=%d", p.HighWatermark, p.LastStableOffset)
	if version >= 5 {
		out += fmt.Sprintf(" start=%d", p.LogStartOffset)
	}
	for _, a := range p.AbortedTransactions {
		out += fmt.Sprintf(" aborted=%s@%d", s.pid(a.ProducerID), a.FirstOffset)
	}
	for rest := p.RecordBatches; len(rest) > 0; {
		var b []byte
		var err error
		if b, rest, err = record.Split(rest); err != nil {
			return out + " " + err.Error()
		}
		out += s.batchText(b)
	}
	return out
}

func (s *side) batchText(b []byte) string {
	h, err := record.ParseHeader(b)
	if err != nil {
		return " " + err.Error()
	}
	out := fmt.Sprintf(" [%d attributes=%x %s seq=%d", h.BaseOffset, h.Attributes, s.pid(h.ProducerID), h.BaseSequence)
	var r record.Reader
	if err := r.Reset(b); err != nil {
		return out + " " + err.Error()
	}
	for rec := (record.Record{}); r.Next(&rec); {
		out += fmt.Sprintf(" %d=%x", rec.Offset, rec.Key)
	}
	return out + "]"
}

func listOffsets(d drawer) op {
	topic, partition, isolation, gen := d.topic(), d.partition(), d.isolation(), d.generation()
	at := []int64{-1, -2, -3, d.timestamp()}[d.IntN(4)]
	if at == -3 {
		gen = newest // the offset of the largest timestamp is new
	}
	return op{fmt.Sprintf("list %s/%d at %d isolation=%d gen=%d", topic, partition, at, isolation, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID, req.IsolationLevel = -1, isolation
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = partition, at
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.ListOffsetsResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		p := resp.Topics[0].Partitions[0]
		at := fmt.Sprint(p.Timestamp)
		if p.Timestamp > 1_700_000_001_000 {
			at = "now" // a marker's
		}
		return fmt.Sprint(code(p.ErrorCode), " ", p.Offset, " ", at)
	}}
}

func offsetForEpoch(d drawer) op {
	topic, partition, gen := d.topic(), d.partition(), max(1, d.generation())
	return op{fmt.Sprintf("epochend %s/%d gen=%d", topic, partition, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.ReplicaID = -1
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = partition, -1, 1000
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.OffsetForLeaderEpochResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		p := resp.Topics[0].Partitions[0]
		return strings.TrimSpace(fmt.Sprint(code(p.ErrorCode), " ", p.EndOffset))
	}}
}
