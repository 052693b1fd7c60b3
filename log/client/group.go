package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// GroupOptions are a Group's. Group and Topics are required.
type GroupOptions struct {
	Group            string
	Instance         string        // group.instance.id; "" for a dynamic member
	Topics           []string      // subscribed
	SessionTimeout   time.Duration // without heartbeats for so long the member is out; default 45 s
	RebalanceTimeout time.Duration // how long a rebalance waits for members to rejoin; default 60 s
	Heartbeat        time.Duration // default 3 s
	Assignors        []Assignor    // in order of preference; default RoundRobin
	Logger           *slog.Logger  // default the client's
}

// Group is a membership in a classic consumer group. Join, Leave and Close are
// called by one goroutine at a time; heartbeats run beside.
//
// A generation is lost in two ways. When the group rebalances, the member has
// the rebalance timeout to finish what it is doing and Join again; heartbeats go
// on meanwhile, so that a long last epoch does not cost the session. When the
// member has been put out (unknown, fenced, session expired) heartbeats stop, and
// whatever it still commits is refused by the coordinator.
type Group struct {
	c       *Client
	o       GroupOptions
	member  string           // "" before the first join and after an expulsion
	owned   []TopicPartition // of the last generation
	current *Generation
	stop    context.CancelFunc // of the current generation's heartbeats
	done    chan struct{}      // closed when they have ended
	closed  bool
}

// NewGroup makes a membership; Join enters the group.
func (c *Client) NewGroup(o GroupOptions) *Group {
	o.SessionTimeout = orDefault(o.SessionTimeout, 45*time.Second)
	o.RebalanceTimeout = orDefault(o.RebalanceTimeout, 60*time.Second)
	o.Heartbeat = orDefault(o.Heartbeat, 3*time.Second)
	if len(o.Assignors) == 0 {
		o.Assignors = []Assignor{RoundRobin()}
	}
	if o.Logger == nil {
		o.Logger = c.logger
	}
	return &Group{c: c, o: o}
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// errRejoin says that the round came to nothing and the next one begins at once.
var errRejoin = errors.New("the group rebalanced again")

// Join enters the group, or its next generation, and returns with an assignment
// (which may be empty). It ends the earlier generation's heartbeats. ErrFenced:
// another process has taken the instance id; do not join again.
func (g *Group) Join(ctx context.Context) (*Generation, error) {
	if g.closed {
		return nil, ErrClosed
	}
	g.endHeartbeats()
	for b := (backoff{}); ; {
		gen, err := g.round(ctx)
		if err == nil {
			g.begin(gen)
			return gen, nil
		}
		if err == errRejoin {
			continue
		}
		if !transient(ctx, err) {
			return nil, fmt.Errorf("join group %s: %w", g.o.Group, err)
		}
		if werr := b.wait(ctx); werr != nil {
			return nil, fmt.Errorf("join group %s: %w (last: %w)", g.o.Group, werr, err)
		}
	}
}

// round is one JoinGroup and one SyncGroup.
func (g *Group) round(ctx context.Context) (*Generation, error) {
	join, err := g.joinRequest().RequestWith(ctx, g.c.cluster)
	if err != nil {
		return nil, err
	}
	if join.ErrorCode == kerr.MemberIDRequired.Code {
		g.member = join.MemberID
		return nil, errRejoin
	}
	if err := g.refused(join.ErrorCode, "join"); err != nil {
		return nil, err
	}
	g.member = join.MemberID
	gen := &Generation{
		GroupMeta: GroupMeta{Group: g.o.Group, Generation: join.Generation, Member: join.MemberID, Instance: g.o.Instance},
		Leader:    join.LeaderID == join.MemberID,
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.Generation, sync.MemberID, sync.InstanceID = g.o.Group, join.Generation, g.member, optional(g.o.Instance)
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), join.Protocol
	if gen.Leader {
		gen.counts, err = g.partitionCounts(ctx, join)
		if err != nil {
			return nil, err
		}
		if !join.SkipAssignment {
			sync.GroupAssignment, err = g.assign(join, gen.counts)
			if err != nil {
				return nil, err
			}
		}
	}
	resp, err := sync.RequestWith(ctx, g.c.cluster)
	if err != nil {
		return nil, err
	}
	if err := g.refused(resp.ErrorCode, "sync"); err != nil {
		return nil, err
	}
	gen.Assignment, err = readAssignment(resp.MemberAssignment)
	return gen, err
}

// refused turns a refusal of a round into the next step.
func (g *Group) refused(code int16, what string) error {
	switch kerr.TypedErrorForCode(code) {
	case nil:
		return nil
	case kerr.UnknownMemberID:
		g.member = ""
		return errRejoin
	case kerr.RebalanceInProgress, kerr.IllegalGeneration:
		return errRejoin
	}
	return brokerError(code, nil, "%s", what)
}

func (g *Group) joinRequest() *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.InstanceID = g.o.Group, g.member, optional(g.o.Instance)
	req.SessionTimeoutMillis = int32(g.o.SessionTimeout.Milliseconds())
	req.RebalanceTimeoutMillis = int32(g.o.RebalanceTimeout.Milliseconds())
	req.ProtocolType = "consumer"
	for _, a := range g.o.Assignors {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = a.Name(), subscription(g.o.Topics, g.owned, a.UserData())
		req.Protocols = append(req.Protocols, p)
	}
	return req
}

// partitionCounts asks how many partitions each topic of the group has. A topic
// that does not exist is left out.
func (g *Group) partitionCounts(ctx context.Context, join *kmsg.JoinGroupResponse) (map[string]int32, error) {
	names := map[string]bool{}
	for _, t := range g.o.Topics {
		names[t] = true
	}
	for _, m := range join.Members {
		member, err := readMember(m)
		if err != nil {
			return nil, err
		}
		for _, t := range member.Topics {
			names[t] = true
		}
	}
	return g.c.countPartitions(ctx, names)
}

func (c *Client) countPartitions(ctx context.Context, names map[string]bool) (map[string]int32, error) {
	counts := map[string]int32{}
	for name := range names {
		t, err := c.DescribeTopic(ctx, name)
		if errors.Is(err, ErrUnknownTopic) {
			continue
		}
		if err != nil {
			return nil, err
		}
		counts[name] = int32(len(t.Partitions))
	}
	return counts, nil
}

// assign runs the assignor that the group has agreed on.
func (g *Group) assign(join *kmsg.JoinGroupResponse, counts map[string]int32) ([]kmsg.SyncGroupRequestGroupAssignment, error) {
	var chosen Assignor
	for _, a := range g.o.Assignors {
		if join.Protocol != nil && a.Name() == *join.Protocol {
			chosen = a
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("the group chose a protocol that this member did not offer")
	}
	members := make([]GroupMember, 0, len(join.Members))
	for _, m := range join.Members {
		member, err := readMember(m)
		if err != nil {
			return nil, err
		}
		members = append(members, member)
	}
	plan, err := chosen.Assign(members, counts)
	if err != nil {
		return nil, fmt.Errorf("assignor %s: %w", chosen.Name(), err)
	}
	var wire []kmsg.SyncGroupRequestGroupAssignment
	for _, m := range members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = m.ID, plan[m.ID].wire()
		wire = append(wire, a)
	}
	return wire, nil
}

// Leave leaves the group now, a static member too: the others take over at once.
func (g *Group) Leave(ctx context.Context) error {
	g.endHeartbeats()
	g.closed = true
	if g.member == "" {
		return nil
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = g.o.Group, g.member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.InstanceID = g.member, optional(g.o.Instance)
	req.Members = append(req.Members, m)
	g.member = ""
	resp, err := req.RequestWith(ctx, g.c.cluster)
	if err != nil {
		return fmt.Errorf("leave group %s: %w", g.o.Group, err)
	}
	for _, m := range resp.Members {
		if err := brokerError(m.ErrorCode, nil, "leave group %s", g.o.Group); err != nil && !errors.Is(err, kerr.UnknownMemberID) {
			return err
		}
	}
	if err := brokerError(resp.ErrorCode, nil, "leave group %s", g.o.Group); err != nil && !errors.Is(err, kerr.UnknownMemberID) {
		return err
	}
	return nil
}

// Close ends heartbeats. A dynamic member leaves; a static one does not, so that
// it can be back within the session timeout without a rebalance. It may be called
// twice.
func (g *Group) Close(ctx context.Context) error {
	if g.closed {
		return nil
	}
	if g.o.Instance == "" {
		return g.Leave(ctx)
	}
	g.endHeartbeats()
	g.closed = true
	return nil
}

// changed says whether the topics have other partition counts than the
// generation's assignment was made for.
func (g *Group) changed(ctx context.Context, gen *Generation) bool {
	names := make(map[string]bool, len(gen.counts))
	for t := range gen.counts {
		names[t] = true
	}
	for _, t := range g.o.Topics {
		names[t] = true
	}
	now, err := g.c.countPartitions(ctx, names)
	return err == nil && !maps.Equal(now, gen.counts)
}
