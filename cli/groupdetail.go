package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// groupDetail is a group as describe shows it: one shape for both kinds of groups,
// the classic ones whose clients assign partitions and the consumer groups of
// KIP-848 whose coordinator does.
type groupDetail struct {
	Group       string           `json:"group"`
	Type        string           `json:"type"`
	State       string           `json:"state"`
	Assignor    string           `json:"assignor,omitempty"`
	Epoch       *int32           `json:"epoch,omitempty"` // of a consumer group
	Coordinator int32            `json:"coordinator"`
	Members     []memberInfo     `json:"members"`
	Partitions  []groupPartition `json:"partitions"`
	// Lag is the sum over the partitions whose lag is known; nil if none is.
	Lag *int64 `json:"lag"`
}

type memberInfo struct {
	ID         string             `json:"id"`
	InstanceID *string            `json:"instance_id,omitempty"`
	ClientID   string             `json:"client_id"`
	Host       string             `json:"host"`
	Epoch      *int32             `json:"epoch,omitempty"` // of a member of a consumer group
	Assigned   map[string][]int32 `json:"assigned"`
}

// groupPartition is a partition that a group has committed in or that one of its
// members has.
type groupPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed *int64 `json:"committed"` // nil: nothing
	Start     *int64 `json:"start"`
	End       *int64 `json:"end"`
	Lag       *int64 `json:"lag"` // nil if nothing is committed
	Metadata  string `json:"metadata,omitempty"`
	Member    string `json:"member,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Host      string `json:"host,omitempty"`
	Error     string `json:"error,omitempty"`
}

// describeGroup asks for everything that describe shows.
func describeGroup(ctx context.Context, adm *kadm.Client, name string) (groupDetail, error) {
	g, err := groupMembers(ctx, adm, name)
	if err != nil {
		return g, err
	}
	committed, err := adm.FetchOffsets(ctx, name)
	if err != nil {
		return g, err
	}
	parts := map[string]map[int32]*groupPartition{}
	at := func(topic string, partition int32) *groupPartition {
		if parts[topic] == nil {
			parts[topic] = map[int32]*groupPartition{}
		}
		if parts[topic][partition] == nil {
			parts[topic][partition] = &groupPartition{Topic: topic, Partition: partition}
		}
		return parts[topic][partition]
	}
	for _, m := range g.Members {
		for topic, list := range m.Assigned {
			for _, p := range list {
				part := at(topic, p)
				part.Member, part.ClientID, part.Host = m.ID, m.ClientID, m.Host
			}
		}
	}
	committed.Each(func(o kadm.OffsetResponse) {
		part := at(o.Topic, o.Partition)
		switch {
		case o.Err != nil:
			part.Error = o.Err.Error()
		case o.At >= 0:
			part.Committed, part.Metadata = &o.At, o.Metadata
		}
	})
	if err := g.measure(ctx, adm, parts); err != nil {
		return g, err
	}
	return g, nil
}

// measure fills in where the partitions begin and end, and the lag.
func (g *groupDetail) measure(ctx context.Context, adm *kadm.Client, parts map[string]map[int32]*groupPartition) error {
	g.Partitions = []groupPartition{}
	topics := sortedKeys(parts)
	if len(topics) == 0 {
		return nil
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		for _, p := range sortedKeys(parts[topic]) {
			part := parts[topic][p]
			start, startOK := starts.Lookup(topic, p)
			end, endOK := ends.Lookup(topic, p)
			switch {
			case !endOK || !startOK:
				part.Error = "the topic or partition does not exist any more"
			case errors.Join(start.Err, end.Err) != nil:
				part.Error = errors.Join(start.Err, end.Err).Error()
			default:
				part.Start, part.End = &start.Offset, &end.Offset
			}
			g.addLag(part)
			g.Partitions = append(g.Partitions, *part)
		}
	}
	return nil
}

func (g *groupDetail) addLag(p *groupPartition) {
	if p.Committed == nil || p.End == nil {
		return
	}
	lag := max(*p.End-*p.Committed, 0)
	p.Lag = &lag
	if g.Lag == nil {
		g.Lag = new(int64)
	}
	*g.Lag += lag
}

// groupMembers is a group without its offsets.
func groupMembers(ctx context.Context, adm *kadm.Client, name string) (groupDetail, error) {
	classic, err := adm.DescribeGroups(ctx, name)
	if err != nil {
		return groupDetail{}, err
	}
	d := classic[name]
	if d.Err == nil && d.State != "Dead" {
		return classicGroup(d), nil
	}
	consumer, err := adm.DescribeConsumerGroups(ctx, name)
	if err == nil && consumer[name].Err == nil && consumer[name].State != "" {
		return consumerGroup(consumer[name]), nil
	}
	if d.Err == nil || errors.Is(d.Err, kerr.GroupIDNotFound) {
		return groupDetail{}, errors.New("there is no such group (millrace group list names those that are)")
	}
	return groupDetail{}, withMessage(d.Err, d.ErrMessage)
}

func classicGroup(d kadm.DescribedGroup) groupDetail {
	g := groupDetail{
		Group: d.Group, Type: "classic", State: d.State, Assignor: d.Protocol, Coordinator: d.Coordinator.NodeID,
		Members: []memberInfo{},
	}
	for _, m := range d.Members {
		info := memberInfo{ID: m.MemberID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.ClientHost, Assigned: map[string][]int32{}}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				info.Assigned[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
			}
		}
		g.Members = append(g.Members, info)
	}
	return g
}

func consumerGroup(d kadm.DescribedConsumerGroup) groupDetail {
	g := groupDetail{
		Group: d.Group, Type: "consumer", State: d.State, Assignor: d.AssignorName, Epoch: &d.Epoch,
		Coordinator: d.Coordinator.NodeID, Members: []memberInfo{},
	}
	for _, m := range d.Members {
		info := memberInfo{
			ID: m.MemberID, InstanceID: m.InstanceID, ClientID: m.ClientID, Host: m.ClientHost, Epoch: &m.MemberEpoch,
			Assigned: map[string][]int32{},
		}
		m.Assignment.EachPartitions(func(topic string, partitions []int32) {
			info.Assigned[topic] = slices.Sorted(slices.Values(partitions))
		})
		g.Members = append(g.Members, info)
	}
	return g
}

// parsePartition reads a partition's number.
func parsePartition(s string) (int32, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a partition", s)
	}
	return int32(n), nil
}
