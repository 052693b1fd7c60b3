package differential

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func initTransaction(d drawer) op {
	txn, gen := d.txn(), d.generation()
	return op{fmt.Sprintf("inittxn %s gen=%d", txn, gen), func(ctx context.Context, s *side) string {
		delete(s.open, txn)
		return s.patiently(func() string { return s.initProducer(ctx, gen, txn, &txn) })
	}}
}

// patiently repeats what a broker may answer with "not yet", as every client does.
func (s *side) patiently(try func() string) string {
	for {
		if got := try(); got != "CONCURRENT_TRANSACTIONS" {
			return got
		}
	}
}

// Transactions are of version 2: a produce adds its partition.
func produceInTransaction(d drawer) op {
	txn, topic, partition, sequence, n := d.txn(), d.topic(), d.partition(), int32(d.IntN(3)), d.recordCount()
	shift := int16(0)
	if d.rarely() {
		shift = -1
	}
	return op{fmt.Sprintf("transactional %s epoch%+d seq=%d %d to %s/%d", txn, shift, sequence, n, topic, partition), func(ctx context.Context, s *side) string {
		p := s.producer(txn)
		if p.id < 0 || p.epoch+shift < 0 {
			return "no producer"
		}
		return s.patiently(func() string {
			h := p.sequenced(shift, s.sequence(p, topic, partition, sequence), true)
			got := s.send(ctx, newest, topic, partition, &txn, batch(h, n, 1_700_000_000_000))
			s.open[txn] = s.open[txn] || strings.HasPrefix(got, "ok")
			s.written[p.at(topic, partition)] = s.written[p.at(topic, partition)] || strings.HasPrefix(got, "ok")
			return got
		})
	}}
}

func commitInTransaction(d drawer) op {
	txn, group, topic, partition, offset := d.txn(), groups[len(groups)-1], d.topic(), d.partition(), int64(d.IntN(10))
	return op{fmt.Sprintf("txncommit %s %s %s/%d=%d", txn, group, topic, partition, offset), func(ctx context.Context, s *side) string {
		p := s.producer(txn)
		if p.id < 0 {
			return "no producer"
		}
		return s.patiently(func() string {
			req := kmsg.NewPtrTxnOffsetCommitRequest()
			req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = txn, group, p.id, p.epoch
			req.Generation = -1
			rt := kmsg.NewTxnOffsetCommitRequestTopic()
			rt.Topic, rt.TopicID = topic, s.topics[topic]
			rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			rp.Partition, rp.Offset = partition, offset
			rt.Partitions = append(rt.Partitions, rp)
			req.Topics = append(req.Topics, rt)
			resp, err := ask[*kmsg.TxnOffsetCommitResponse](ctx, s, newest, req)
			if err != nil {
				return err.Error()
			}
			got := code(resp.Topics[0].Partitions[0].ErrorCode)
			s.open[txn] = s.open[txn] || got == "ok"
			return got
		})
	}}
}

// Only transactions with something in them end: an empty one Kafka only aborts, and we
// take both (KAFKA-18401).
func endTransaction(d drawer) op {
	txn, commit := d.txn(), d.IntN(3) > 0
	shift := int16(0)
	if d.rarely() {
		shift = -1
	}
	return op{fmt.Sprintf("end %s epoch%+d commit=%v", txn, shift, commit), func(ctx context.Context, s *side) string {
		p := s.producer(txn)
		if p.id < 0 || p.epoch+shift < 0 || !s.open[txn] {
			return "no transaction"
		}
		got := s.patiently(func() string {
			req := kmsg.NewPtrEndTxnRequest()
			req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = txn, p.id, p.epoch+shift, commit
			resp, err := ask[*kmsg.EndTxnResponse](ctx, s, newest, req)
			if err != nil {
				return err.Error()
			}
			if resp.ErrorCode == 0 {
				*p = producer{resp.ProducerID, resp.ProducerEpoch}
			}
			return fmt.Sprint(code(resp.ErrorCode))
		})
		if got != "ok" {
			return got
		}
		s.settle(ctx, txn)
		delete(s.open, txn)
		return "ok " + s.pid(p.id)
	}}
}

// settle waits until the end of a transaction has reached all of its partitions, which
// goes on after the answer.
func (s *side) settle(ctx context.Context, txn string) {
	for ctx.Err() == nil {
		state := s.transaction(ctx, txn)
		if state != "PrepareCommit" && state != "PrepareAbort" {
			return
		}
	}
}

func (s *side) transaction(ctx context.Context, txn string) string {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{txn}
	resp, err := ask[*kmsg.DescribeTransactionsResponse](ctx, s, newest, req)
	if err != nil {
		return err.Error()
	}
	st := resp.TransactionStates[0]
	if st.ErrorCode != 0 {
		return code(st.ErrorCode)
	}
	return st.State
}

func describeTransaction(d drawer) op {
	txn := d.txn()
	return op{"txnstate " + txn, func(ctx context.Context, s *side) string { return s.transaction(ctx, txn) }}
}

// Only producers with an open transaction: Kafka lists the others too, kfake does not.
func describeProducers(d drawer) op {
	topic, partition := d.topic(), d.partition()
	return op{fmt.Sprintf("producers %s/%d", topic, partition), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrDescribeProducersRequest()
		rt := kmsg.NewDescribeProducersRequestTopic()
		rt.Topic, rt.Partitions = topic, []int32{partition}
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.DescribeProducersResponse](ctx, s, newest, req)
		if err != nil {
			return err.Error()
		}
		p := resp.Topics[0].Partitions[0]
		var open []string
		for _, a := range p.ActiveProducers {
			if a.CurrentTxnStartOffset >= 0 {
				open = append(open, fmt.Sprintf("%s from %d", s.pid(a.ProducerID), a.CurrentTxnStartOffset))
			}
		}
		slices.Sort(open)
		return fmt.Sprint(code(p.ErrorCode), open)
	}}
}
