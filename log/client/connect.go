package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ConnectOptions say where a cluster is and how to come in.
type ConnectOptions struct {
	// ClientID names this program to the brokers; "" means "millrace".
	ClientID string
	// Seeds are addresses, host:port each; one that answers is enough.
	Seeds []string
	// Security is of all connections; its zero value is plaintext.
	Security Security
}

// Connection is a way to a cluster over the network: its connections, made as they
// are needed. It may be used concurrently.
type Connection struct {
	kgo      *kgo.Client
	cluster  Cluster
	security Security
	progress *progress
}

// Connect finds a broker that answers and lets this client in; it tries until ctx
// ends. A refusal by a broker ends it at once and wraps an error that says which.
// Close the connection when done.
func Connect(ctx context.Context, o ConnectOptions) (*Connection, error) {
	c, err := newConnection(o)
	if err != nil {
		return nil, err
	}
	if err := c.contact(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("brokers %s: %w", strings.Join(o.Seeds, ","), err)
	}
	return c, nil
}

// hangUps in a row are no restart of the broker.
const hangUps = 3

// contact tries the seeds until one answers. A broker that is there and refuses
// will refuse again.
func (c *Connection) contact(ctx context.Context) error {
	var pause backoff
	var last error
	for hungUp := 0; ; {
		err := c.ping(ctx)
		if err == nil {
			return nil
		}
		explained, refused := c.progress.explain(err, &c.security)
		if last != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return last // what went wrong while there was time says more
		}
		last = explained
		if errors.Is(explained, ErrHungUp) {
			hungUp++
			refused = hungUp == hangUps
		}
		if refused || pause.wait(ctx) != nil {
			return explained
		}
	}
}

// ping asks a broker for anything. kgo waits for the answer to the first request on a
// connection for ten seconds, whatever ctx says: closing it ends that.
func (c *Connection) ping(ctx context.Context) error {
	answered := make(chan error, 1)
	go func() { answered <- c.kgo.Ping(ctx) }()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		c.kgo.Close()
		<-answered
		return ctx.Err()
	}
}

func newConnection(o ConnectOptions) (*Connection, error) {
	if o.ClientID == "" {
		o.ClientID = "millrace"
	}
	opts, err := o.Security.options()
	if err != nil {
		return nil, err
	}
	contact := &progress{}
	cl, err := kgo.NewClient(append(opts, kgo.WithHooks(contact),
		kgo.SeedBrokers(o.Seeds...), kgo.ClientID(o.ClientID), kgo.DisableIdempotentWrite())...)
	if err != nil {
		return nil, fmt.Errorf("brokers %s: %w", strings.Join(o.Seeds, ","), err)
	}
	return &Connection{kgo: cl, cluster: FromKgo(cl), security: o.Security, progress: contact}, nil
}

// Cluster is for New and for raw requests. It is of no use after Close.
func (c *Connection) Cluster() Cluster { return c.cluster }

// Admin makes a client for administration on the same connections. It needs no
// closing of its own.
func (c *Connection) Admin() *kadm.Client { return kadm.NewClient(c.kgo) }

// Close ends the connections; requests under way fail. It may be called more than
// once.
func (c *Connection) Close() { c.kgo.Close() }
