// Package group is the group coordinator: groups of the classic and of the consumer
// protocol (KIP-848), their committed offsets and how long those are kept, and the
// offsets that transactions commit.
//
// Core holds the groups of one partition of __consumer_offsets; Coordinator is the
// host around the cores that the broker calls:
//
//	resp, err := c.Handle(ctx, meta, req)  // JoinGroup, OffsetCommit, ...
//	err := c.WriteMarker(ctx, marker)      // a transaction that committed offsets ends
//	all, err := c.Snapshot(ctx)            // every group with its offsets, for metrics
//
// What a topic holds, and so how far behind a group is, is not known here.
package group

import (
	"context"
	crand "crypto/rand"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// Options say what a Coordinator stands on.
type Options struct {
	// Partitions is the number of partitions of __consumer_offsets, for ever.
	Partitions int32
	// Driver runs the cores.
	Driver *core.Driver
	// Topics gives the present metadata; nil takes every topic for known and none for
	// having an id.
	Topics func() coord.Topics
	// Config is how groups behave; its zero value is good.
	Config Config
	Logger *slog.Logger
}

// Coordinator serves the groups whose partitions of __consumer_offsets this node
// leads. It may be used concurrently.
type Coordinator struct {
	opts   Options
	host   *coord.Host
	logger *slog.Logger
}

// NewCoordinator returns a Coordinator that leads nothing yet.
func NewCoordinator(o Options) *Coordinator {
	o.Config.setDefaults()
	c := &Coordinator{opts: o, logger: o.Logger}
	if c.logger == nil {
		c.logger = slog.Default()
	}
	c.host = coord.NewHost(coord.HostOptions{
		Topic: coord.GroupTopic, Driver: o.Driver, Logger: o.Logger,
		New: func(_, _ int32, wall time.Time) coord.Replayable {
			groups := NewCore(o.Config, wall, newRand())
			if o.Topics != nil {
				groups.learn(o.Topics()) // for the clocks of members that are replayed
			}
			return groups
		},
		Install: c.install,
	})
	return c
}

// Config is how groups behave, with the defaults filled in.
func (c *Coordinator) Config() Config { return c.opts.Config }

// newRand is a source of member ids that nobody can guess.
func newRand() *rand.Rand {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	return rand.New(rand.NewChaCha8(seed))
}

// Elected says that this node leads a partition now, in leader epoch epoch. The
// partition is replayed in the background; requests wait a second for that and are
// then answered COORDINATOR_LOAD_IN_PROGRESS.
func (c *Coordinator) Elected(partition int32, epoch int32, log coord.Log) {
	c.host.Elected(partition, epoch, log)
}

// Resigned says that this node leads a partition no more. It returns when nothing is
// appended to its log any more.
func (c *Coordinator) Resigned(partition int32) { c.host.Resigned(partition) }

// Partition is the partition of __consumer_offsets that a group belongs to; its
// leader is the group's coordinator.
func (c *Coordinator) Partition(group string) int32 {
	return coord.PartitionFor(group, c.opts.Partitions)
}

// Close stops every core. It may be called twice.
func (c *Coordinator) Close() { c.host.Close() }

// WriteMarker ends a transaction in a partition of __consumer_offsets: offsets that
// it committed become visible or are dropped. It returns when that is committed. See
// coord.MarkerWriter for the errors.
func (c *Coordinator) WriteMarker(ctx context.Context, m coord.Marker) error {
	r, err := c.host.Call(ctx, m.Partition, func(id uint64) core.Input {
		return WriteMarker{ID: id, Marker: m}
	})
	if err != nil {
		return err
	}
	err, _ = r.(error)
	return err
}

// TopicsDeleted drops the committed offsets of topics that do not exist any more, in
// all groups of this node. Partitions that are loading or lost just now are joined in
// the error; offsets left behind are never shown for a topic of the same name, since
// they carry the id of the old one.
func (c *Coordinator) TopicsDeleted(ctx context.Context, names []string) error {
	var errs []error
	for _, p := range c.host.Led() {
		_, err := c.host.Call(ctx, p, func(id uint64) core.Input {
			return TopicsDeleted{ID: id, Names: names}
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// call gives a request to the core of a partition.
func (c *Coordinator) call(ctx context.Context, partition int32, meta coord.Meta, req kmsg.Request) (kmsg.Response, error) {
	req, err := coord.Own(req)
	if err != nil {
		return nil, err
	}
	r, err := c.host.Call(ctx, partition, func(id uint64) core.Input {
		in := coord.Request{ID: id, Meta: meta, Body: req}
		if c.opts.Topics != nil {
			in.Topics = c.opts.Topics()
		}
		return in
	})
	if err != nil {
		return nil, err
	}
	return r.(kmsg.Response), nil
}
