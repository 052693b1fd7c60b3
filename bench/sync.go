package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	millog "github.com/millrace/millrace/log"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/log/record"
)

// round is how long it took until one small batch to each of some partitions, in one
// Produce with acks=all, was acknowledged.
type round struct {
	Partitions int           `json:"partitions"`
	Side       string        `json:"side"`
	Rounds     int           `json:"rounds"`
	P50        time.Duration `json:"p50_ns"`
	P99        time.Duration `json:"p99_ns"`
}

// roundBytes is a batch of one record.
const roundBytes = 200

// The sides of a round: how the disk's journal is used, and, as what none of them
// can be faster than, the same bytes written over older ones of one file and synced.
var roundModes = []millog.Journal{millog.JournalOff, millog.JournalOn, millog.JournalAuto}

const floorSide = "floor"

// syncRounds measures acknowledged rounds by the number of partitions written to.
// The sides take turns, so that each has the same disk.
func syncRounds(ctx context.Context, b *bed) (err error) {
	var nodes []*roundNode
	defer func() {
		for _, n := range nodes {
			err = errors.Join(err, n.close())
		}
	}()
	for _, mode := range roundModes {
		n, err := b.openRoundNode(ctx, mode)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	sizes := []int{1, 2, 4, 10, 100, 1000}
	if b.quick {
		sizes = []int{1, 10, 50}
	}
	for _, partitions := range sizes {
		rounds := 100
		if partitions > 100 {
			rounds = 40
		}
		if b.quick {
			rounds = 3
		}
		if err := b.measureRounds(ctx, nodes, partitions, rounds); err != nil {
			return err
		}
	}
	return nil
}

func (b *bed) measureRounds(ctx context.Context, nodes []*roundNode, partitions, rounds int) error {
	floor, err := newFloorFile(b.data, partitions)
	if err != nil {
		return err
	}
	defer floor.Close()
	var requests []*kmsg.ProduceRequest
	for _, n := range nodes {
		req, err := n.request(ctx, partitions)
		if err != nil {
			return err
		}
		requests = append(requests, req)
	}
	took := map[string][]time.Duration{}
	const warm = 5 // the first rounds open files, and the journal makes its first
	for i := range warm + rounds {
		for k, n := range nodes {
			d, err := n.produce(ctx, requests[k])
			if err != nil {
				return fmt.Errorf("journal %s, %d partitions: %w", n.mode, partitions, err)
			}
			if i >= warm {
				took[string(n.mode)] = append(took[string(n.mode)], d)
			}
		}
		d, err := floor.round()
		if err != nil {
			return err
		}
		if i >= warm {
			took[floorSide] = append(took[floorSide], d)
		}
		if i < warm { // the file is made in the background
			time.Sleep(50 * time.Millisecond)
		}
	}
	for _, side := range append([]string{floorSide}, string(roundModes[0]), string(roundModes[1]), string(roundModes[2])) {
		all := took[side]
		slices.Sort(all)
		at := func(q float64) time.Duration { return all[int(q*float64(len(all)-1))].Round(time.Microsecond) }
		b.report.Rounds = append(b.report.Rounds, round{partitions, side, len(all), at(0.5), at(0.99)})
	}
	return nil
}

// roundNode is a node that uses its journal in one way.
type roundNode struct {
	mode    millog.Journal
	node    *millog.Node
	session *millog.Session
	client  *client.Client
}

func (b *bed) openRoundNode(ctx context.Context, mode millog.Journal) (*roundNode, error) {
	node, err := millog.Open(ctx, millog.Options{DataDir: b.data + "/" + string(mode), Sync: millog.Sync(b.sync), Journal: mode})
	if err != nil {
		return nil, err
	}
	s := node.Session(millog.SessionOptions{ClientID: "bench"})
	return &roundNode{mode, node, s, client.New(s, client.Options{})}, nil
}

func (n *roundNode) close() error { return n.node.Close(context.Background()) }

// request makes a topic and a Produce of one batch to each of its partitions.
func (n *roundNode) request(ctx context.Context, partitions int) (*kmsg.ProduceRequest, error) {
	name := fmt.Sprintf("rounds-%d", partitions)
	if err := n.client.EnsureTopics(ctx, client.TopicSpec{Name: name, Partitions: int32(partitions)}); err != nil {
		return nil, err
	}
	ask := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	ask.Topics = append(ask.Topics, topic)
	meta, err := ask.RequestWith(ctx, n.session)
	if err != nil {
		return nil, err
	}
	var builder record.Builder
	builder.Append(time.Now().UnixMilli(), nil, []byte(strings.Repeat("v", roundBytes-70)), nil)
	batch := slices.Clone(builder.Finish(record.Plain()))
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 60_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = name, meta.Topics[0].TopicID
	for i := range partitions {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), batch
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req, nil
}

func (n *roundNode) produce(ctx context.Context, req *kmsg.ProduceRequest) (time.Duration, error) {
	began := time.Now()
	resp, err := n.session.Broker(1).Request(ctx, req)
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	for _, p := range resp.(*kmsg.ProduceResponse).Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return 0, fmt.Errorf("partition %d: %w", p.Partition, err)
		}
	}
	return took, nil
}

// floorFile is a file that was filled once and is written over.
type floorFile struct {
	*os.File
	record []byte
	pos    int64
}

const floorBytes = 32 << 20

func newFloorFile(dir string, partitions int) (*floorFile, error) {
	f, err := os.Create(fmt.Sprintf("%s/floor-%d", dir, partitions))
	if err != nil {
		return nil, err
	}
	_, err = f.Write(make([]byte, floorBytes))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	const page, entry = 4096, 37
	size := (partitions*(roundBytes+entry) + page - 1) / page * page
	return &floorFile{File: f, record: make([]byte, size)}, nil
}

// round writes what a round writes and syncs it.
func (f *floorFile) round() (time.Duration, error) {
	if f.pos+int64(len(f.record)) > floorBytes {
		f.pos = 0
	}
	began := time.Now()
	if _, err := f.WriteAt(f.record, f.pos); err != nil {
		return 0, err
	}
	if err := syncContents(f.File); err != nil {
		return 0, err
	}
	f.pos += int64(len(f.record))
	return time.Since(began), nil
}

// printRounds prints a line for each number of partitions.
func printRounds(w io.Writer, rounds []round) {
	if len(rounds) == 0 {
		return
	}
	fmt.Fprintf(w, "one small batch to each partition until all are acknowledged: p50 / p99 in ms\n")
	fmt.Fprintf(w, "%10s", "partitions")
	for i := 0; i < len(rounds) && rounds[i].Partitions == rounds[0].Partitions; i++ {
		fmt.Fprintf(w, " %18s", rounds[i].Side)
	}
	for i, r := range rounds {
		if i == 0 || r.Partitions != rounds[i-1].Partitions {
			fmt.Fprintf(w, "\n%10d", r.Partitions)
		}
		fmt.Fprintf(w, " %18s", fmt.Sprintf("%.2f / %.2f", r.P50.Seconds()*1e3, r.P99.Seconds()*1e3))
	}
	fmt.Fprintln(w)
}
