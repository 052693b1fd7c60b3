// Package fakecluster has the names of franz-go's kfake over a Millrace node, as far
// as kfake's own Kafka tests use them, so that those tests run against a node.
//
// A Cluster is a node in this process and a relay in front of it. Clients connect to
// the relay, which hands every request to the functions that a test installed
// (ControlKey, Fault) before the node sees it. Nothing else is faked: what no
// function answers, the node answers.
//
// A node is one broker. NumBrokers is taken and has no effect, so a test that needs
// several brokers does not pass; the list of such tests is in ../allow/kfake.txt.
package fakecluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/log"
)

// closeTimeout bounds how long Close waits for requests under way.
const closeTimeout = 10 * time.Second

// Cluster is a node and the relay before it. Its methods may be called from any
// goroutine; Close ends both and removes the node's data.
type Cluster struct {
	controls controls

	dir   string
	node  *log.Node
	relay *relay
	adm   *kadm.Client // at the node itself: no control sees its requests
}

// NewCluster starts a cluster with an empty temporary directory. The caller closes
// it.
func NewCluster(opts ...Opt) (*Cluster, error) {
	var cfg config
	for _, o := range opts {
		o.apply(&cfg)
	}
	c := &Cluster{}
	if err := c.start(&cfg); err != nil {
		c.Close()
		return nil, fmt.Errorf("start a cluster: %w", err)
	}
	return c, nil
}

// start opens the node with the relay's address as the one that clients are told,
// then makes what cfg asks for.
func (c *Cluster) start(cfg *config) error {
	groups, err := cfg.groups()
	if err != nil {
		return err
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.relay = newRelay(front, &c.controls)
	if c.dir, err = os.MkdirTemp("", "millrace-fakecluster-"); err != nil {
		return err
	}
	c.node, err = log.Open(context.Background(), log.Options{
		DataDir: c.dir, Advertised: front.Addr().String(), DefaultPartitions: defaultPartitions, Sync: log.SyncOS, Groups: groups,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	back, err := c.node.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = back.Serve(context.Background()) }() // ends with the node
	c.relay.serve(back.Addr())
	return c.populate(cfg, back.Addr())
}

// populate makes the topics that the options name.
func (c *Cluster) populate(cfg *config, addr string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.Dialer(dialAlways(addr)))
	if err != nil {
		return err
	}
	c.adm = kadm.NewClient(cl)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for _, s := range cfg.seeds {
		r, err := c.adm.CreateTopics(ctx, s.partitions, 1, nil, s.topics...)
		if err := errors.Join(err, r.Error()); err != nil {
			return fmt.Errorf("create topics %v: %w", s.topics, err)
		}
	}
	return nil
}

// dialAlways connects to addr whatever the metadata says, which is the relay's.
func dialAlways(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

// ListenAddrs is the address that clients connect to.
func (c *Cluster) ListenAddrs() []string { return []string{c.relay.addr()} }

// Close ends the node and cuts all connections.
func (c *Cluster) Close() {
	if c.adm != nil {
		c.adm.Close()
	}
	if c.relay != nil {
		c.relay.close()
	}
	if c.node != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		_ = c.node.Close(ctx)
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}
