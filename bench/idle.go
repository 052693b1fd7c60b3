package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// footprint is what a node needs that does nothing.
type footprint struct {
	Partitions int    `json:"partitions"` // besides the node's own
	State      string `json:"state"`
	childSays
}

// idle measures a node with more and more partitions, each with a record in it,
// right after that was written and once more after a restart.
func idle(ctx context.Context, b *bed) (err error) {
	sizes := []int{0, 1000}
	if b.quick {
		sizes = []int{0, 20}
	}
	for _, n := range sizes {
		dir := fmt.Sprintf("%s/idle-%d", b.data, n)
		p, err := startProcess(dir)
		if err != nil {
			return err
		}
		if err := writeEach(ctx, p, n); err != nil {
			return errors.Join(err, p.kill())
		}
		for _, state := range []string{"written", "restarted"} {
			if state == "restarted" {
				if err := p.stop(); err != nil {
					return err
				}
				if p, err = startProcess(dir); err != nil {
					return err
				}
			}
			says, err := p.ask("needs")
			if err != nil {
				return errors.Join(err, p.kill())
			}
			b.report.Footprints = append(b.report.Footprints, footprint{n, state, says})
		}
		if err := p.stop(); err != nil {
			return err
		}
	}
	return nil
}

// writeEach makes a topic and writes one record to each partition.
func writeEach(ctx context.Context, p *process, partitions int) error {
	if partitions == 0 {
		return nil
	}
	cl, err := p.client(kgo.DefaultProduceTopic("idle"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, int32(partitions), 1, nil, "idle"); err != nil {
		return err
	}
	var records []*kgo.Record
	for i := range partitions {
		records = append(records, &kgo.Record{Partition: int32(i), Value: []byte("something to keep")})
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

// printFootprints prints each, with the difference to the node without partitions.
func printFootprints(w io.Writer, list []footprint) {
	const mb = 1 << 20
	empty := map[string]footprint{}
	for _, f := range list {
		fmt.Fprintf(w, "%-12s %-24s heap %.1f MB, resident %.1f MB, %d goroutines", "idle",
			fmt.Sprintf("%d partitions, %s", f.Partitions, f.State), float64(f.HeapBytes)/mb, float64(f.RSSBytes)/mb, f.Goroutines)
		if f.Partitions == 0 {
			empty[f.State] = f
		} else if e, there := empty[f.State]; there {
			fmt.Fprintf(w, "; per partition: heap %.1f kB, resident %.1f kB", (float64(f.HeapBytes)-float64(e.HeapBytes))/float64(f.Partitions)/1e3,
				float64(f.RSSBytes-e.RSSBytes)/float64(f.Partitions)/1e3)
		}
		fmt.Fprintln(w)
	}
}
