package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The scenarios of this file compare the node with kfake, franz-go's broker in Go,
// which keeps its log in files as well: the same client, the same records, the same
// number of partitions, acks=all, and the same moment of acknowledgement: with
// -sync always both sync first, with -sync os neither does. Client and broker share
// the process, so what is compared is both together.

// peer is a broker to compare.
type peer struct {
	name string
	addr string
}

// peerPartitions are the partition counts of these scenarios.
var peerPartitions = []int32{1, 100, 1000}

// peers starts kfake beside the bed's node. With the policy interval there is
// nothing to compare.
func (b *bed) peers() (both [2]peer, closer func() error, err error) {
	dir, err := os.MkdirTemp(b.dir, "millrace-bench-kfake-")
	if err != nil {
		return both, nil, err
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.DataDir(dir)}
	switch b.sync {
	case "always":
		opts = append(opts, kfake.SyncWrites())
	case "os":
	default:
		return both, nil, errors.Join(fmt.Errorf("kfake has no sync policy %q: use always or os", b.sync), os.RemoveAll(dir))
	}
	k, err := kfake.NewCluster(opts...)
	if err != nil {
		return both, nil, errors.Join(err, os.RemoveAll(dir))
	}
	closer = func() error {
		k.Close()
		return os.RemoveAll(dir)
	}
	return [2]peer{{"millrace", b.addr}, {"kfake", k.ListenAddrs()[0]}}, closer, nil
}

// create makes a topic that keeps everything, in place of an old one if there is
// one.
func (p peer) create(ctx context.Context, topic, old string, partitions int32) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if old != "" {
		if _, err := adm.DeleteTopic(ctx, old); err != nil {
			return err
		}
	}
	forever := "-1"
	_, err = adm.CreateTopic(ctx, partitions, 1, map[string]*string{"retention.ms": &forever}, topic)
	return err
}

// peerLog writes events and reads them, with each number of partitions.
func peerLog(ctx context.Context, b *bed) error {
	n := b.rows / 8
	values := make([][]byte, 1<<14)
	for i := range values {
		values[i] = appendEvent(nil, i)
	}
	for _, partitions := range peerPartitions {
		if err := b.peerLogOf(ctx, n, partitions, values); err != nil {
			return fmt.Errorf("%d partitions: %w", partitions, err)
		}
	}
	return nil
}

func (b *bed) peerLogOf(ctx context.Context, n int, partitions int32, values [][]byte) (err error) {
	both, closer, err := b.peers()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer()) }()
	name := b.scenario
	defer func() { b.scenario = name }()
	var written [2]string // the topic that was written last, to be read
	var produce, fetch []side
	for i, p := range both {
		produce = append(produce, side{
			name: p.name, events: n,
			prepare: func() error {
				old := written[i]
				written[i] = b.unique("peer")
				return p.create(ctx, written[i], old, partitions)
			},
			run: func() error { return p.produce(ctx, written[i], n, values) },
		})
		fetch = append(fetch, side{name: p.name, events: n, run: func() error { return p.fetch(ctx, written[i], n) }})
	}
	b.scenario = "produce_" + strconv.Itoa(int(partitions))
	if err := b.compare(produce...); err != nil {
		return err
	}
	b.scenario = "fetch_" + strconv.Itoa(int(partitions))
	return b.compare(fetch...)
}

// produce writes n records, one to each partition in turn.
func (p peer) produce(ctx context.Context, topic string, n int, values [][]byte) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.addr), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer cl.Close()
	failed := make(chan error, 1)
	var records []kgo.Record
	for i := range n {
		if len(records) == 0 {
			records = make([]kgo.Record, 1024)
		}
		r := &records[0]
		records = records[1:]
		r.Value = values[i%len(values)]
		cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// fetch reads all n records of a topic.
func (p peer) fetch(ctx context.Context, topic string, n int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(p.addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	size := 0
	for read := 0; read < n; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); read++ {
			size += len(it.Next().Value)
		}
	}
	return atLeast(size, n)
}

// peerLatency sends records to both at the same rate, one broker after the other.
func peerLatency(ctx context.Context, b *bed) (err error) {
	both, closer, err := b.peers()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closer()) }()
	n := 10 * latencyRate
	if b.quick {
		n = latencyRate / 2
	}
	for _, partitions := range peerPartitions {
		for _, p := range both {
			topic := b.unique("peer")
			if err := p.create(ctx, topic, "", partitions); err != nil {
				return err
			}
			side := fmt.Sprintf("%s, %d partitions", p.name, partitions)
			if err := b.latency(ctx, p.addr, side, topic, topic, n); err != nil {
				return fmt.Errorf("%s: %w", side, err)
			}
		}
	}
	return nil
}
