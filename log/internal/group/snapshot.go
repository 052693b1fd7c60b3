package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// Summary is one group as Snapshot shows it. It belongs to whoever gets it.
type Summary struct {
	ID string
	// Type is "classic" or "consumer", as ListGroups has it.
	Type string
	// State is the name that Kafka's tools show: Empty, Stable, ...
	State string
	// ProtocolType is "consumer" for consumers, and "" for a group that has only offsets.
	ProtocolType string
	// Protocol is the assignor that is in use, if any.
	Protocol string
	// Epoch is the generation of a classic group, the group epoch of a consumer group.
	Epoch int32
	// Members is how many the group has.
	Members int
	// Offsets are the committed offsets, ordered by topic and partition.
	Offsets []Offset
}

// Offset is a committed offset. What an open transaction has committed is not shown.
type Offset struct {
	Topic     string
	Partition int32
	Offset    int64
	// LeaderEpoch is -1 if the client did not say.
	LeaderEpoch int32
	Metadata    string
	// CommitMs is when it was committed, in Unix milliseconds.
	CommitMs int64
}

// snapshotGroups is how many groups a core copies in one step, so that a scrape of
// many groups does not keep their members waiting.
const snapshotGroups = 64

// Snapshot returns all groups whose coordinator this node is, ordered by id, with
// what is committed of them. It is meant for metrics and listings: each core copies a
// few groups at a time between its other work, so two groups may be shown at
// different moments, one group never. Partitions that are loading or lost just now
// are left out and joined in the error; what is returned besides it is good.
func (c *Coordinator) Snapshot(ctx context.Context) ([]Summary, error) {
	var (
		mu   sync.Mutex
		all  []Summary
		errs []error
		wg   sync.WaitGroup
	)
	for _, p := range c.host.Led() {
		wg.Go(func() {
			part, err := c.snapshotPartition(ctx, p)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, part...)
			if err != nil {
				errs = append(errs, fmt.Errorf("groups of %s/%d: %w", coord.GroupTopic, p, err))
			}
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b Summary) int { return cmp.Compare(a.ID, b.ID) })
	return all, errors.Join(errs...)
}

func (c *Coordinator) snapshotPartition(ctx context.Context, partition int32) ([]Summary, error) {
	r, err := c.host.Call(ctx, partition, func(id uint64) core.Input { return listIDs{id} })
	if err != nil {
		return nil, err
	}
	var all []Summary
	for ids := range slices.Chunk(r.([]string), snapshotGroups) {
		r, err := c.host.Call(ctx, partition, func(id uint64) core.Input { return summarize{id, ids} })
		if err != nil {
			return nil, err
		}
		all = append(all, r.([]Summary)...)
	}
	return all, nil
}

// listIDs is the input that asks for the ids of all groups; the reply is []string.
type listIDs struct{ id uint64 }

// summarize is the input that asks for groups; the reply is []Summary of those that
// are still there.
type summarize struct {
	id     uint64
	groups []string
}

func (c *Core) summarize(in summarize) {
	all := make([]Summary, 0, len(in.groups))
	var after core.Token
	for _, id := range in.groups {
		if g := c.groups[id]; g != nil {
			all = append(all, g.summary())
			after = max(after, g.token)
		}
	}
	c.out.AddAfter(after, core.Reply{ID: in.id, Response: all})
}

func (g *group) summary() Summary {
	s := Summary{ID: g.id, Type: g.protocolName(), State: g.stateName(), ProtocolType: g.protocolType,
		Protocol: g.protocol, Epoch: g.generation, Members: len(g.members)}
	if cg := g.consumers; cg != nil {
		s.ProtocolType, s.Protocol, s.Epoch, s.Members = consumerProtocol, cg.assignorName(), cg.epoch, len(cg.members)
	}
	for _, topic := range g.topics() {
		for _, p := range g.partitions(topic) {
			o := g.offsets[topic][p]
			s.Offsets = append(s.Offsets, Offset{Topic: topic, Partition: p, Offset: o.offset,
				LeaderEpoch: o.leaderEpoch, Metadata: o.metadata, CommitMs: o.commitMs})
		}
	}
	return s
}
