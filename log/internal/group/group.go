package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// State is where a group stands in the classic protocol.
//
//	Empty --join--> PreparingRebalance --all joined or time is up--> CompletingRebalance
//	  ^                 |        ^                                        |
//	  +---nobody left---+        +--- member joins, leaves, expires ---+  | leader syncs
//	                                                                   |  v
//	                                                                   Stable
type State uint8

// The states. A deleted group is not kept.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}

// String is the state's name as Kafka's tools show it.
func (s State) String() string { return stateNames[s] }

// group is one group of clients and what they have committed. Members of a classic group are in the order in which they joined.
type group struct {
	id      string
	state   State
	stateMs int64 // time of day when state was entered

	generation   int32
	protocolType string
	protocol     string // chosen for this generation
	leader       string // member id, "" if none

	members []*member
	static  map[string]*member  // by group.instance.id
	pending map[string]struct{} // member ids given out and not used yet (KIP-394)

	// initialLimit is when a first rebalance ends although members keep coming; 0 if
	// this is not a first rebalance.
	initialLimit time.Duration

	// consumers is what a group of the consumer protocol has instead of everything
	// above; nil for a classic one.
	consumers *consumerGroup

	offsets map[string]map[int32]committed // by topic, partition
	written bool                           // the log has a metadata record of the group
	token   core.Token                     // newest append that changed the group
}

func newGroup(id string) *group {
	return &group{id: id, static: map[string]*member{}, pending: map[string]struct{}{},
		offsets: map[string]map[int32]committed{}}
}

// member is one member of a group.
type member struct {
	id               string
	instance         *string // group.instance.id of a static member (KIP-345)
	clientID, host   string
	session          time.Duration
	rebalanceTimeout time.Duration
	protocols        []kmsg.JoinGroupRequestProtocol // in order of preference
	assignment       []byte

	isNew     bool           // has not ended its first rebalance
	needsSync bool           // has not asked for its assignment in this generation
	joining   *coord.Request // the JoinGroup that waits, or nil
	syncing   *coord.Request // the SyncGroup that waits, or nil
}

func (g *group) member(id string) *member {
	for _, m := range g.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (g *group) add(m *member) {
	g.members = append(g.members, m)
	if m.instance != nil {
		g.static[*m.instance] = m
	}
	if g.leader == "" {
		g.leader = m.id
	}
}

func (g *group) remove(m *member) {
	g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == m })
	if m.instance != nil && g.static[*m.instance] == m {
		delete(g.static, *m.instance)
	}
	if g.leader == m.id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// stateName is the group's state as Kafka's tools show it.
func (g *group) stateName() string {
	if g.consumers != nil {
		return g.consumers.state()
	}
	return g.state.String()
}

// protocolName says which protocol the members speak, as ListGroups has it.
func (g *group) protocolName() string {
	if g.consumers != nil {
		return "consumer"
	}
	return "classic"
}

// empty reports whether the group has no members, nor any that are about to be.
func (g *group) empty() bool {
	if g.consumers != nil {
		return len(g.consumers.members) == 0
	}
	return g.state == Empty && len(g.pending) == 0
}

// moveTo enters a state.
func (c *Core) moveTo(g *group, s State) {
	g.state, g.stateMs = s, c.wall()
}

// rebalanceTimeout is the longest that a member asked for.
func (g *group) rebalanceTimeout() time.Duration {
	var d time.Duration
	for _, m := range g.members {
		d = max(d, m.rebalanceTimeout)
	}
	return d
}

// allJoined reports whether nobody is missing for the next generation.
func (g *group) allJoined() bool {
	return len(g.pending) == 0 && !slices.ContainsFunc(g.members, func(m *member) bool { return m.joining == nil })
}

// supports reports whether a member with these protocols can be in the group: it
// must share one with everybody.
func (g *group) supports(protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if len(g.members) == 0 {
		return protocolType != "" && len(protocols) > 0
	}
	return protocolType == g.protocolType && slices.ContainsFunc(protocols,
		func(p kmsg.JoinGroupRequestProtocol) bool { return g.allSupport(p.Name) })
}

func (g *group) allSupport(protocol string) bool {
	return !slices.ContainsFunc(g.members, func(m *member) bool { return !m.supports(protocol) })
}

func (m *member) supports(protocol string) bool {
	return slices.ContainsFunc(m.protocols,
		func(p kmsg.JoinGroupRequestProtocol) bool { return p.Name == protocol })
}

// metadata is what the member said along with a protocol.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return []byte{}
}

// selectProtocol holds the vote: each member is for the first of its protocols that
// everybody knows. Equal votes go to the earliest in the leader's order.
func (g *group) selectProtocol() string {
	votes := map[string]int{}
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.allSupport(p.Name) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for _, p := range g.member(g.leader).protocols {
		if votes[p.Name] > votes[best] {
			best = p.Name
		}
	}
	return best
}

// sameProtocols reports whether a join says nothing new.
func (m *member) sameProtocols(protocols []kmsg.JoinGroupRequestProtocol) bool {
	return slices.EqualFunc(m.protocols, protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && string(a.Metadata) == string(b.Metadata)
	})
}
