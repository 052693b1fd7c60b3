package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	millog "github.com/millrace/millrace/log"
	"github.com/millrace/millrace/log/client"
)

// partitions of inputs and outputs.
const partitions = 2

// bed is what a scenario runs on: a node of its own, and the inputs in it. The
// node's data is removed with it, so that scenarios do not slow each other down.
type bed struct {
	config
	scenario string
	report   *report
	data     string
	node     *millog.Node
	session  client.Cluster // to the node, within the process
	client   *client.Client
	addr     string
	inputs   map[int]string // events -> topic
	serial   int
	serving  chan error
}

func newBed(ctx context.Context, c config, scenario string, rep *report) (*bed, error) {
	data, err := os.MkdirTemp(c.dir, "millrace-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{config: c, scenario: scenario, report: rep, data: data, inputs: map[int]string{}, serving: make(chan error, 1)}
	if b.node, err = millog.Open(ctx, millog.Options{DataDir: data + "/log", Sync: millog.Sync(c.sync)}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(data))
	}
	l, err := b.node.Listen("127.0.0.1:0")
	if err != nil {
		close(b.serving)
		return nil, errors.Join(err, b.close())
	}
	go func() { b.serving <- l.Serve(ctx) }()
	b.addr = l.Addr()
	b.session = b.node.Session(millog.SessionOptions{ClientID: "bench"})
	b.client = client.New(b.session, client.Options{})
	return b, nil
}

func (b *bed) close() error {
	err := b.node.Close(context.Background())
	<-b.serving // ended by Close; what it says then is of no interest
	return errors.Join(err, os.RemoveAll(b.data))
}

// unique makes a name that no earlier run has used.
func (b *bed) unique(prefix string) string {
	b.serial++
	return prefix + "-" + strconv.Itoa(b.serial)
}

// input is a topic with the first n events, written once.
func (b *bed) input(ctx context.Context, n int) (string, error) {
	if topic, there := b.inputs[n]; there {
		return topic, nil
	}
	topic := fmt.Sprintf("in-%d", n)
	if err := b.topic(ctx, topic); err != nil {
		return "", err
	}
	b.inputs[n] = topic
	return topic, b.writeEvents(ctx, b.client, topic, n)
}

// writeEvents writes the first n events to a topic, one partition after the other
// in turn.
func (b *bed) writeEvents(ctx context.Context, c *client.Client, topic string, n int) error {
	p := c.NewProducer(client.ProducerOptions{})
	defer p.Close()
	var buf []byte
	for i := range n {
		buf = appendEvent(buf[:0], i)
		if err := p.Append(topic, int32(i%partitions), eventTimeMs(i), nil, buf); err != nil {
			return err
		}
	}
	return p.Flush(ctx)
}

// output creates an output topic.
func (b *bed) output(ctx context.Context) (string, error) {
	topic := b.unique("out")
	return topic, b.topic(ctx, topic)
}

// topic creates a topic that keeps everything: records carry event times, which
// the usual retention of a week would find old.
func (b *bed) topic(ctx context.Context, name string) error {
	forever := map[string]string{"retention.ms": "-1"}
	return b.client.EnsureTopics(ctx, client.TopicSpec{Name: name, Partitions: partitions, Configs: forever})
}

// kgoClient is a franz-go client of the node, over TCP.
func (b *bed) kgoClient(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.addr)}, opts...)...)
}
