package fakecluster

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// GroupInfo is a group as an admin client sees it, classic or of KIP-848.
type GroupInfo struct {
	Group   string
	State   string // Empty, Stable, ...
	Members []GroupMember
	Commits map[string]map[int32]GroupCommit // by topic and partition
}

// GroupMember is a member of a group.
type GroupMember struct {
	MemberID   string
	InstanceID *string
	Assignment map[string][]int32 // by topic
}

// GroupCommit is a committed offset.
type GroupCommit struct {
	Offset      int64
	LeaderEpoch int32
	Metadata    string
}

// NumAssigned is the number of partitions that the member has.
func (m *GroupMember) NumAssigned() int {
	n := 0
	for _, partitions := range m.Assignment {
		n += len(partitions)
	}
	return n
}

// NumAssigned is the number of partitions that the members have together.
func (g *GroupInfo) NumAssigned() int {
	n := 0
	for i := range g.Members {
		n += g.Members[i].NumAssigned()
	}
	return n
}

// GroupInfo describes a group; nil means that there is none.
func (c *Cluster) GroupInfo(group string) *GroupInfo {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return c.groupInfo(ctx, group)
}

func (c *Cluster) groupInfo(ctx context.Context, group string) *GroupInfo {
	listed, err := c.adm.ListGroups(ctx)
	if err != nil {
		return nil
	}
	l, ok := listed[group]
	if !ok {
		return nil
	}
	info := &GroupInfo{Group: group, State: l.State, Commits: map[string]map[int32]GroupCommit{}}
	if !c.describeConsumer(ctx, info) {
		c.describeClassic(ctx, info)
	}
	committed, _ := c.adm.FetchOffsets(ctx, group)
	committed.Each(func(o kadm.OffsetResponse) {
		if o.Err != nil || o.At < 0 {
			return
		}
		if info.Commits[o.Topic] == nil {
			info.Commits[o.Topic] = map[int32]GroupCommit{}
		}
		info.Commits[o.Topic][o.Partition] = GroupCommit{o.At, o.LeaderEpoch, o.Metadata}
	})
	return info
}

// describeConsumer describes a group of KIP-848; false means that it is none.
func (c *Cluster) describeConsumer(ctx context.Context, info *GroupInfo) bool {
	described, err := c.adm.DescribeConsumerGroups(ctx, info.Group)
	g := described[info.Group]
	if err != nil || g.Err != nil {
		return false
	}
	info.State = g.State
	for _, m := range g.Members {
		info.Members = append(info.Members, GroupMember{m.MemberID, m.InstanceID, lists(m.Assignment)})
	}
	return true
}

func (c *Cluster) describeClassic(ctx context.Context, info *GroupInfo) {
	described, _ := c.adm.DescribeGroups(ctx, info.Group)
	g := described[info.Group]
	info.State = g.State
	for _, m := range g.Members {
		member := GroupMember{m.MemberID, m.InstanceID, map[string][]int32{}}
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				member.Assignment[t.Topic] = t.Partitions
			}
		}
		info.Members = append(info.Members, member)
	}
}

func lists(s kadm.TopicsSet) map[string][]int32 {
	out := map[string][]int32{}
	for topic, partitions := range s {
		for p := range partitions {
			out[topic] = append(out[topic], p)
		}
	}
	return out
}

// WaitGroupStable waits until a group is stable and has that many members, any
// number if it is negative.
func (c *Cluster) WaitGroupStable(ctx context.Context, group string, members int) (*GroupInfo, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		g := c.groupInfo(ctx, group)
		if g != nil && g.State == "Stable" && (members < 0 || len(g.Members) == members) {
			return g, nil
		}
		select {
		case <-ctx.Done():
			return g, ctx.Err()
		case <-again.C:
		}
	}
}
