package group

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// memberState is how far a member is on its way to the target, by Kafka's numbers.
type memberState int8

const (
	// memberStable: it has all that the target of its epoch gives it.
	memberStable memberState = 0
	// memberUnrevoked: it has to give up partitions before it enters the next epoch.
	memberUnrevoked memberState = 1
	// memberUnreleased: it waits for partitions that others have not given up.
	memberUnreleased memberState = 2
)

// Epochs that say something else in a heartbeat.
const (
	joiningEpoch       = 0  // join, or come back after being fenced
	leavingEpoch       = -1 // leave
	leavingForNowEpoch = -2 // leave; a process with the same instance id will be back
)

// profile is what a member says of itself.
type profile struct {
	instance, rack   *string
	clientID, host   string
	topics           []string // subscribed by name, sorted, each once
	regex            string   // subscribed by pattern; "" none
	rebalanceTimeout time.Duration
	assignor         *string
	classic          *classicProfile // nil for members of the consumer protocol
}

// classicProfile is what a member that speaks the classic protocol says besides.
type classicProfile struct {
	session   time.Duration
	protocols []kmsg.JoinGroupRequestProtocol // in order of preference
}

func (p *profile) equal(q *profile) bool {
	return equalStrings(p.instance, q.instance) && equalStrings(p.rack, q.rack) && p.clientID == q.clientID && p.host == q.host &&
		slices.Equal(p.topics, q.topics) && p.regex == q.regex && p.rebalanceTimeout == q.rebalanceTimeout &&
		equalStrings(p.assignor, q.assignor) && p.classic.equal(q.classic)
}

func (p *classicProfile) equal(q *classicProfile) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.session == q.session && slices.EqualFunc(p.protocols, q.protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

func equalStrings(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameSubscription reports whether both subscribe to the same.
func (p *profile) sameSubscription(q *profile) bool {
	return slices.Equal(p.topics, q.topics) && p.regex == q.regex
}

// standing is where a member stands.
type standing struct {
	epoch    int32 // the target's that it has reached, or leavingForNowEpoch
	previous int32 // the epoch before, which it may still name if an answer was lost
	state    memberState
	assigned partitions // what it may read
	revoking partitions // what it must give up and has not
}

func (s *standing) equal(q *standing) bool {
	return s.epoch == q.epoch && s.previous == q.previous && s.state == q.state &&
		maps.Equal(s.assigned, q.assigned) && maps.Equal(s.revoking, q.revoking)
}

// consumerMember is a member of a group of the consumer protocol.
type consumerMember struct {
	id string
	profile
	standing
	hasProfile, hasStanding bool // of replay: which of its two records is there
}

func newConsumerMember(id string) *consumerMember {
	return &consumerMember{id: id, standing: standing{assigned: partitions{}, revoking: partitions{}}}
}

// reached reports whether the member has all that the target of that epoch gives it.
func (m *consumerMember) reached(targetEpoch int32) bool {
	return m.state == memberStable && m.epoch == targetEpoch
}

// heldSince is the epoch in which the member got a partition that it has or has to
// give up.
func (m *consumerMember) heldSince(tp topicPartition) (epoch int32, ok bool) {
	if epoch, ok = m.assigned[tp]; !ok {
		epoch, ok = m.revoking[tp]
	}
	return epoch, ok
}

// protocol is the one that a member of the classic protocol is told to use. The
// assignment comes from here, so its choice matters only to its own side.
func (p *classicProfile) protocol() string { return p.protocols[0].Name }

// names are topic names as a member keeps them: sorted, each once.
func names(topics []string) []string {
	topics = slices.Clone(topics)
	slices.Sort(topics)
	return slices.Compact(topics)
}
