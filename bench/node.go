package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// The scenario of this file is about the node alone: it is a process of its own, whose
// processor time and allocations are read before and after, and who loads it hardly
// costs anything. With -against there is a second node, of another build of this program,
// that gets every load in turn with this one:
//
//	git worktree add /tmp/before HEAD~1
//	go build -C /tmp/before -o /tmp/bench-before ./bench
//	go run ./bench -only node -against /tmp/bench-before

// load is something that clients do.
type load struct {
	name   string
	events int // of one run
	// begin makes ready whatever run needs. What it returns ends that.
	begin func(ctx context.Context, t *target) (run func() error, end func(), err error)
}

// target is a node under load.
type target struct {
	*process
	wire  *wire
	topic string // of the load, with as many partitions as it needs
}

// nodeLoadsOf lists the loads; quick ones have few requests.
func nodeLoadsOf(quick bool) []load {
	n := func(requests int) int {
		if quick {
			return max(requests/100, 20)
		}
		return requests
	}
	return []load{
		producing("produce, 1 partition of 1 event", 1, 1, n(20_000)),
		producing("produce, 10 of 100", 10, 100, n(1000)),
		producing("produce, 100 of 1", 100, 1, n(500)),
		producing("produce, 1000 of 1", 1000, 1, n(100)),
		producing("produce, 1 of 4500", 1, 4500, n(300)),
		fetching("fetch, 1 partition of 1 event", 1, 1, n(20_000)),
		fetching("fetch, 100 of 1", 100, 1, n(500)),
		fetching("fetch, 1000 of 1", 1000, 1, n(100)),
		fetching("fetch, 1 of 4500", 1, 4500, n(500)),
		waiting("wait, 1000 partitions, nothing", n(100)),
		tailing("wait, 1000 partitions, 1 event", n(300)),
		followingAll("follow 1000 partitions, 1 event", n(300)),
		heartbeats("heartbeat, 200 groups", n(100)),
		transactions("transaction of 1 event", n(300)),
	}
}

// nodeLoads measures each load.
func nodeLoads(ctx context.Context, b *bed) (err error) {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	names, exes := []string{"this build"}, []string{exe}
	if b.against != "" {
		names, exes = append(names, "the other"), append(exes, b.against)
	}
	var nodes []*target
	defer func() {
		for _, n := range nodes {
			n.wire.close()
			err = errors.Join(err, n.stop())
		}
	}()
	for i, exe := range exes {
		p, err := startProcessOf(exe, fmt.Sprintf("%s/node-%d", b.data, i))
		if err != nil {
			return err
		}
		w, err := dialWire(p.addr)
		if err != nil {
			return errors.Join(err, p.kill())
		}
		nodes = append(nodes, &target{process: p, wire: w})
	}
	scenario := b.scenario
	defer func() { b.scenario = scenario }()
	for _, l := range nodeLoadsOf(b.quick) {
		if strings.HasPrefix(l.name, b.load) {
			b.scenario = l.name
			if err := b.nodeLoad(ctx, l, names, nodes); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
		}
	}
	return nil
}

func (b *bed) nodeLoad(ctx context.Context, l load, names []string, nodes []*target) error {
	var sides []side
	for i, n := range nodes {
		n.topic = b.unique("load")
		run, end, err := l.begin(ctx, n)
		if err != nil {
			return err
		}
		defer end()
		s := side{name: names[i], events: l.events, run: run, cost: func() (time.Duration, uint64, error) {
			says, err := n.ask("cost")
			return says.CPU, says.Allocs, err
		}}
		if b.cpuProfile != "" && i == 0 {
			file := fmt.Sprintf("%s.%s", b.cpuProfile, strings.ReplaceAll(strings.ReplaceAll(l.name, ",", ""), " ", "_"))
			s.prepare = func() error { return n.tell("profile " + file) }
			s.check = func() error { return n.tell("profiled") }
		}
		sides = append(sides, s)
	}
	return b.compare(sides...)
}

func (t *target) tell(line string) error {
	_, err := t.ask(line)
	return err
}

// create makes the load's topic.
func (t *target) create(partitions int) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 5, 60_000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.topic, int32(partitions), 1
	req.Topics = append(req.Topics, rt)
	_, err := t.wire.ask(req)
	return err
}

// batch is a record batch of events.
func batch(events int) []byte {
	var b record.Builder
	for i := range events {
		b.Append(time.Now().UnixMilli(), nil, appendEvent(nil, i), nil)
	}
	return b.Finish(record.Plain())
}

// produce asks for a batch of so many events to each partition.
func (t *target) produce(partitions []int32, events int) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, 60_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = t.topic
	records := batch(events)
	for _, p := range partitions {
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p, records
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// fetch asks for at most so many bytes of each partition, from its offset on.
func (t *target) fetch(offsets []int64, partitionBytes, waitMillis int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 12, waitMillis, 1, 64<<20
	req.ReplicaID, req.SessionEpoch = -1, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = t.topic
	for p, offset := range offsets {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = int32(p), offset, partitionBytes
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// upTo is 0 to n-1.
func upTo(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// producing writes the same events to all partitions in one request, again and again.
func producing(name string, partitions, events, requests int) load {
	return load{name, partitions * events * requests, func(_ context.Context, t *target) (func() error, func(), error) {
		if err := t.create(partitions); err != nil {
			return nil, nil, err
		}
		req := t.produce(upTo(partitions), events)
		return func() error { return t.wire.repeat(req, requests, 5) }, func() {}, nil
	}}
}

// fetching reads the first batch of each partition.
func fetching(name string, partitions, events, requests int) load {
	return load{name, partitions * events * requests, func(_ context.Context, t *target) (func() error, func(), error) {
		if err := t.create(partitions); err != nil {
			return nil, nil, err
		}
		produce := t.produce(upTo(partitions), events)
		if err := t.wire.repeat(produce, 3, 1); err != nil {
			return nil, nil, err
		}
		req := t.fetch(make([]int64, partitions), int32(len(produce.Topics[0].Partitions[0].Records)), 0)
		return func() error { return t.wire.repeat(req, requests, 1) }, func() {}, nil
	}}
}

// waiting has twenty consumers wait for partitions in which nothing happens; an event is
// a partition of a wait.
func waiting(name string, requests int) load {
	const consumers, partitions = 20, 1000
	return load{name, consumers * partitions * requests / consumers, func(_ context.Context, t *target) (func() error, func(), error) {
		if err := t.create(partitions); err != nil {
			return nil, nil, err
		}
		var wires []*wire
		end := func() {
			for _, w := range wires {
				w.close()
			}
		}
		for range consumers {
			w, err := dialWire(t.addr)
			if err != nil {
				end()
				return nil, nil, err
			}
			wires = append(wires, w)
		}
		req := t.fetch(make([]int64, partitions), 1<<20, 200)
		return func() error {
			failed := make([]error, consumers)
			var all sync.WaitGroup
			for i, w := range wires {
				all.Go(func() { failed[i] = w.repeat(req, requests/consumers, 1) })
			}
			all.Wait()
			return errors.Join(failed...)
		}, end, nil
	}}
}

// tailing has a consumer wait for a thousand partitions while one of them gets an event.
func tailing(name string, requests int) load {
	const partitions = 1000
	return load{name, requests, func(_ context.Context, t *target) (func() error, func(), error) {
		if err := t.create(partitions); err != nil {
			return nil, nil, err
		}
		reader, err := dialWire(t.addr)
		if err != nil {
			return nil, nil, err
		}
		offsets := make([]int64, partitions)
		i := 0
		return func() error {
			for range requests {
				p := int32(i * 7 % partitions)
				i++
				req := t.fetch(offsets, 1<<20, 10_000)
				if _, err := reader.nc.Write(frame(req)); err != nil {
					return err
				}
				if _, err := t.wire.ask(t.produce([]int32{p}, 1)); err != nil {
					return err
				}
				resp, err := reader.answer(req)
				if err != nil {
					return err
				}
				if got := resp.(*kmsg.FetchResponse).Topics[0].Partitions[p]; len(got.RecordBatches) == 0 {
					return fmt.Errorf("partition %d has nothing at %d", p, offsets[p])
				}
				offsets[p]++
			}
			return nil
		}, reader.close, nil
	}}
}

// followingAll is tailing as most clients do it: in a fetch session, in which a request
// names only what has changed (KIP-227), if the node grants one.
func followingAll(name string, requests int) load {
	const partitions = 1000
	return load{name, requests, func(ctx context.Context, t *target) (func() error, func(), error) {
		if err := t.create(partitions); err != nil {
			return nil, nil, err
		}
		cl, err := t.client(kgo.ConsumeTopics(t.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(10*time.Second))
		if err != nil {
			return nil, nil, err
		}
		i := 0
		return func() error {
			for range requests {
				if _, err := t.wire.ask(t.produce([]int32{int32(i * 7 % partitions)}, 1)); err != nil {
					return err
				}
				i++
				for got := 0; got == 0; {
					fetches := cl.PollFetches(ctx)
					if err := fetches.Err(); err != nil {
						return err
					}
					got = fetches.NumRecords()
				}
			}
			return nil
		}, cl.Close, nil
	}}
}

// heartbeats has groups of one member say that they live.
func heartbeats(name string, rounds int) load {
	const groups = 200
	return load{name, groups * rounds, func(_ context.Context, t *target) (func() error, func(), error) {
		var beats []*kmsg.HeartbeatRequest
		for i := range groups {
			beat, err := t.join(t.topic + "-" + strconv.Itoa(i))
			if err != nil {
				return nil, nil, err
			}
			beats = append(beats, beat)
		}
		return func() error {
			for _, beat := range beats {
				if err := t.wire.repeat(beat, rounds, 5); err != nil {
					return err
				}
			}
			return nil
		}, func() {}, nil
	}}
}

// join makes a group of one member, and its heartbeat.
func (t *target) join(group string) (*kmsg.HeartbeatRequest, error) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.ProtocolType = 3, group, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 300_000, 300_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{}
	req.Protocols = append(req.Protocols, p)
	resp, err := t.wire.ask(req)
	if err != nil {
		return nil, err
	}
	joined := resp.(*kmsg.JoinGroupResponse)
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.Generation, sync.MemberID = 2, group, joined.Generation, joined.MemberID
	if _, err := t.wire.ask(sync); err != nil {
		return nil, err
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Version, beat.Group, beat.Generation, beat.MemberID = 2, group, joined.Generation, joined.MemberID
	return beat, nil
}

// transactions commits one event at a time.
func transactions(name string, n int) load {
	return load{name, n, func(ctx context.Context, t *target) (func() error, func(), error) {
		if err := t.create(1); err != nil {
			return nil, nil, err
		}
		cl, err := t.client(kgo.TransactionalID(t.topic), kgo.DefaultProduceTopic(t.topic), kgo.ProducerLinger(0))
		if err != nil {
			return nil, nil, err
		}
		value := appendEvent(nil, 0)
		return func() error {
			for range n {
				if err := cl.BeginTransaction(); err != nil {
					return err
				}
				if err := cl.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
					return err
				}
				if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
					return err
				}
			}
			return nil
		}, cl.Close, nil
	}}
}
