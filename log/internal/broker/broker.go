// Package broker serves Kafka's wire protocol: it reads frames that may be
// hostile, checks size, version and rights, and hands requests to the rooms that
// keep the promises: replica (records), group, txn and meta.
//
// Every API key is one file, headed by the versions it serves and what each of
// them changed. It registers its handler; no central list knows it. A request is
// a kmsg.Request whether it came over TCP (Serve) or from the same process (Do),
// and no handler can tell.
//
// The package keeps no state of its own but for connections. It does not know
// disks, and it decides nothing that must survive.
package broker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"time"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/quota"
	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/internal/sasl"
	"github.com/millrace/millrace/log/internal/txn"
)

// ErrClosed is what a request gets from a broker that closes.
var ErrClosed = errors.New("the node is closing")

// Options say what a Broker stands on. All fields down to Logger must be set.
type Options struct {
	// NodeID is this node.
	NodeID int32
	// Meta is the cluster's metadata.
	Meta *meta.Meta
	// Replicas are the partitions that this node holds.
	Replicas *replica.Manager
	// Groups and Transactions are the coordinators of this node.
	Groups       *group.Coordinator
	Transactions *txn.Coordinator
	Logger       *slog.Logger

	// Authorizer decides who may do what; nil lets everybody do everything.
	Authorizer *acl.Authorizer
	// AutoCreate lets a Metadata request create the topics that it names.
	AutoCreate bool
	// DefaultPartitions is the number of partitions of a topic that is created
	// without one.
	DefaultPartitions int32
	// Limits bound what connections may hold.
	Limits Limits
	// Strict makes the broker panic where it would send a null that clients cannot
	// read, and overwrite the buffers of requests that were handled. For tests.
	Strict bool
}

// Broker answers requests, over any number of connections and from this process,
// concurrently.
type Broker struct {
	opts                Options
	handlers            map[int16]*handler
	requestMemory       *memory // of frames
	arrivalMemory       *memory // of frames of who is not authenticated
	arrivalDecodeMemory *memory // of what those decode to; likewise
	decodeMemory        *memory // of what they decode to; who holds it never waits for requestMemory
	responseMemory      *memory // of records on their way out; likewise for both
	connections         gate    // goroutines of connections
	places              places
	crowding            crowding
	requests            gate // those of this process
	reported            quiet
	denied              quiet // lines about denied access
	logins              quiet // lines about who came in
	failedLogins        quiet // and about who did not
	sasl                *sasl.Server
	refusals            refusals
	quotas              quota.Limiter
	fetchSessions       fetchSessions
	stats               *stats

	// open ends when the broker stops reading requests, flushing when it stops
	// sending answers.
	open, flushing         context.Context
	stopOpen, stopFlushing context.CancelFunc
}

// New returns a Broker that listens nowhere yet.
func New(o Options) *Broker {
	o.Limits.setDefaults()
	b := &Broker{
		opts:                o,
		handlers:            maps.Clone(registered),
		requestMemory:       newMemory(o.Limits.RequestBytes),
		arrivalMemory:       newMemory(o.Limits.ArrivalBytes),
		arrivalDecodeMemory: newMemory(o.Limits.ArrivalBytes),
		decodeMemory:        newMemory(o.Limits.DecodeBytes),
		responseMemory:      newMemory(o.Limits.ResponseBytes),
		stats:               newStats(registered),
	}
	b.places.limits = &b.opts.Limits
	b.sasl = sasl.NewServer(b.credential, b.decoySecret())
	b.open, b.stopOpen = context.WithCancel(context.Background())
	b.flushing, b.stopFlushing = context.WithCancel(context.Background())
	return b
}

// level is the finalized feature level; before the cluster is made it is 1.
func (b *Broker) level() int16 { return max(b.image().Feature(meta.FeatureVersion), 1) }

func (b *Broker) image() *meta.Image { return b.opts.Meta.Image() }

// Drain stops reading: requests that were read are still answered, those that
// wait for something to happen at once. When ctx ends before all is answered, the
// remaining connections are cut. When it returns no handler runs any more. It may
// be called again.
func (b *Broker) Drain(ctx context.Context) {
	b.stopOpen()
	defer context.AfterFunc(ctx, b.stopFlushing)()
	b.connections.closeAndWait()
	b.requests.closeAndWait()
	b.stopFlushing()
}

// report logs why a connection is closed. A client that floods the node with bad
// requests does not flood the log.
func (b *Broker) report(caller *Caller, err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed) {
		return
	}
	suppressed, ok := b.reported.allow(time.Now())
	if !ok {
		return
	}
	args := []any{"error", err, "principal", caller.Principal, "client_id", short(caller.ClientID), "client", caller.Host, "listener", caller.Listener}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	var p *panicked
	if errors.As(err, &p) {
		b.opts.Logger.Error("a request handler failed; the connection is closed", append(args, "stack", string(p.stack))...)
		return
	}
	b.opts.Logger.Warn("connection closed", args...)
}

func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}

func endpoint(a net.Addr) Endpoint {
	if t, ok := a.(*net.TCPAddr); ok {
		return Endpoint{t.IP.String(), int32(t.Port)}
	}
	return Endpoint{Host: a.String()}
}
