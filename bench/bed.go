package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/engine"
	millog "github.com/millrace/millrace/log"
	"github.com/millrace/millrace/log/client"

	_ "github.com/millrace/millrace/connectors/generate"
	_ "github.com/millrace/millrace/connectors/stdout"
	_ "github.com/millrace/millrace/connectors/topic"
	_ "github.com/millrace/millrace/operators/builtin"
)

// bed is the node that everything runs on, and the inputs in it.
type bed struct {
	config
	node    *millog.Node
	session client.Cluster
	client  *client.Client
	addr    string
	inputs  map[string]int // topic -> events
	serial  int
}

func newBed(ctx context.Context, c config) (*bed, error) {
	node, err := millog.Open(ctx, millog.Options{DataDir: filepath.Join(c.dir, "log"), Sync: millog.Sync(c.sync)})
	if err != nil {
		return nil, err
	}
	l, err := node.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go l.Serve(ctx)
	session := node.Session(millog.SessionOptions{ClientID: "bench"})
	return &bed{config: c, node: node, session: session, client: client.New(session, client.Options{}), addr: l.Addr(), inputs: map[string]int{}}, nil
}

func (b *bed) close() { _ = b.node.Close(context.Background()) }

// unique makes a name that no earlier run has used.
func (b *bed) unique(prefix string) string {
	b.serial++
	return prefix + "-" + strconv.Itoa(b.serial)
}

// partitions of inputs and outputs.
const partitions = 2

// input writes n events with the given number of keys to a topic, once.
func (b *bed) input(ctx context.Context, n, keys int) (string, error) {
	topic := fmt.Sprintf("in-%d-%d", n, keys)
	if _, there := b.inputs[topic]; there {
		return topic, nil
	}
	if err := b.client.EnsureTopics(ctx, client.TopicSpec{Name: topic, Partitions: partitions}); err != nil {
		return "", err
	}
	p := b.client.NewProducer(client.ProducerOptions{})
	defer p.Close()
	var buf []byte
	for i := range n {
		buf = appendEvent(buf[:0], i, keys)
		if err := p.Append(topic, int32(i%partitions), eventTimeMs(i), nil, buf); err != nil {
			return "", err
		}
	}
	b.inputs[topic] = n
	return topic, p.Flush(ctx)
}

// output creates an output topic.
func (b *bed) output(ctx context.Context) (string, error) {
	topic := b.unique("out")
	return topic, b.client.EnsureTopics(ctx, client.TopicSpec{Name: topic, Partitions: partitions})
}

// pipeline runs a YAML pipeline in this process until it has read n events.
func (b *bed) pipeline(ctx context.Context, yaml string, n int, atLeastOnce bool) error {
	g, err := dsl.Parse("bench.yaml", []byte(yaml), dsl.Catalog{})
	if err != nil {
		return err
	}
	p, err := engine.Open(engine.Options{
		Graph: g, Cluster: b.session, StateDir: filepath.Join(b.dir, "state", g.Name), AtLeastOnce: atLeastOnce,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for ctx.Err() == nil && p.Stats().RowsIn < int64(n) {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	if err := p.Run(ctx); err != nil {
		return err
	}
	if got := p.Stats(); got.RowsIn != int64(n) || got.Errors > 0 {
		return fmt.Errorf("the pipeline read %d rows, %d of them errors, want %d", got.RowsIn, got.Errors, n)
	}
	return p.Close()
}

// kgoClient is a franz-go client of the node, over TCP.
func (b *bed) kgoClient(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.addr)}, opts...)...)
}
