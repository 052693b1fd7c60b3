// Package group is the group coordinator: consumer groups of the classic protocol,
// their committed offsets, and the offsets that transactions commit.
package group

import (
	"context"
	"log/slog"

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
	// Topics gives the present metadata.
	Topics func() coord.Topics
	// Config is how groups behave; its zero value is good.
	Config Config
	Logger *slog.Logger
}

// Config is how groups behave. The zero value means the defaults.
type Config struct{}

// Coordinator serves the groups whose partitions of __consumer_offsets this node
// leads. It may be used concurrently.
type Coordinator struct{}

// NewCoordinator returns a Coordinator that leads nothing yet.
func NewCoordinator(o Options) *Coordinator { return &Coordinator{} }

// Elected says that this node leads a partition now, in leader epoch epoch. The
// partition is replayed in the background; until then its groups are answered
// COORDINATOR_LOAD_IN_PROGRESS.
func (c *Coordinator) Elected(partition int32, epoch int32, log coord.Log) {}

// Resigned says that this node leads a partition no more. It returns when nothing is
// appended to its log any more.
func (c *Coordinator) Resigned(partition int32) {}

// Partition is the partition of __consumer_offsets that a group belongs to; its
// leader is the group's coordinator.
func (c *Coordinator) Partition(group string) int32 { return 0 }

// Handle serves JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups,
// ListGroups, DeleteGroups, OffsetCommit, OffsetFetch, OffsetDelete and
// TxnOffsetCommit. It may block as long as the protocol says (JoinGroup, SyncGroup).
// An error means that ctx has ended or the coordinator was closed; everything else
// is an error code in the response.
func (c *Coordinator) Handle(ctx context.Context, meta coord.Meta, req kmsg.Request) (kmsg.Response, error) {
	return nil, nil
}

// WriteMarker ends a transaction in a partition of __consumer_offsets: offsets that
// it committed become visible or are dropped. See coord.MarkerWriter for the errors.
func (c *Coordinator) WriteMarker(ctx context.Context, m coord.Marker) error { return nil }

// TopicsDeleted drops the committed offsets of topics that do not exist any more.
func (c *Coordinator) TopicsDeleted(ctx context.Context, names []string) error { return nil }

// Close stops every core. It may be called twice.
func (c *Coordinator) Close() {}
