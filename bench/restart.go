package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// restart is how long a node took from the start of its process until it answered
// for every partition.
type restart struct {
	Bytes      int64         `json:"bytes"`
	Partitions int           `json:"partitions"`
	After      string        `json:"after"`
	Took       time.Duration `json:"took_ns"`
}

const (
	restartPartitions = 8
	restartValue      = 100 << 10
)

// restarts writes a log and starts nodes on it: after one was killed while it was
// written to, and after one was shut down. What the killed node wrote is in the
// kernel's memory, as far as that goes; so is what recovery reads.
func restarts(ctx context.Context, b *bed) error {
	sizes := []int64{1 << 30, b.restartBytes}
	if b.quick {
		sizes = []int64{32 << 20}
	}
	dir := b.data + "/restart"
	have := int64(0)
	for _, size := range sizes {
		if size <= have {
			continue
		}
		p, err := startProcess(dir)
		if err != nil {
			return err
		}
		if err := fill(ctx, p, size-have); err != nil {
			return errors.Join(err, p.kill())
		}
		have = size
		if err := p.kill(); err != nil {
			return err
		}
		for _, after := range []string{"kill -9", "shutdown"} {
			began := time.Now()
			if p, err = startProcess(dir); err != nil {
				return err
			}
			if err := answered(ctx, p); err != nil {
				return errors.Join(err, p.kill())
			}
			b.report.Restarts = append(b.report.Restarts, restart{have, restartPartitions, after, time.Since(began)})
			if err := p.stop(); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill writes so many bytes, over all partitions.
func fill(ctx context.Context, p *process, size int64) error {
	cl, err := p.client(kgo.DefaultProduceTopic("restart"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(512))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, restartPartitions, 1, nil, "restart")
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	value := make([]byte, restartValue)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(value) // never fails
	var failed error
	for i := int64(0); i < size/restartValue && ctx.Err() == nil; i++ {
		cl.Produce(ctx, &kgo.Record{Partition: int32(i % restartPartitions), Value: bytes.Clone(value)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	return errors.Join(cl.Flush(ctx), failed, ctx.Err())
}

// answered waits until the node says where each partition ends.
func answered(ctx context.Context, p *process) error {
	cl, err := p.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, "restart")
	if err != nil {
		return err
	}
	if n := len(ends["restart"]); n != restartPartitions {
		return fmt.Errorf("%d partitions of %d answered", n, restartPartitions)
	}
	return ends.Error()
}

func printRestarts(w io.Writer, list []restart) {
	for _, r := range list {
		fmt.Fprintf(w, "%-12s %-24s %.1f GB in %d partitions: %v\n", "restart", "after "+r.After, float64(r.Bytes)/1e9, r.Partitions, r.Took.Round(time.Millisecond))
	}
}
