package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
)

// Core is the groups of one partition of __consumer_offsets.
//
// The obvious coordinator keeps groups in a map under a lock, writes a record when
// something worth keeping happens, and takes care that what it has told nobody can
// be undone: two states per group, the written one and the intended one. Every
// coordinator that was built so has had bugs where the two met. Here there is one
// state. A change is made at once and appended in the same step; whoever could see
// it is answered once the append is committed; and if an append fails, the driver
// throws the whole core away and replays the log. So nothing is ever undone.
//
//  1. Every change that must outlive the process is in the batch that the same step
//     appends, and Replay of that batch makes the same change.
//  2. A reply that depends on a group's state waits for the group's newest append
//     (group.token). Only heartbeats do not: all they show is whether to rejoin.
//  3. An assignment is handed out only after the generation it belongs to is
//     committed, so a generation that a reset loses had no effect.
//  4. Commits of a partition order by their place in the log, whether their
//     transaction was decided early or late.
//  5. Every write to the partition comes from here, markers included, so the core
//     knows the order of everything in it.
type Core struct {
	cfg    Config
	rng    *rand.Rand
	wallMs int64 // Unix time at now = 0

	groups    map[string]*group
	producers map[int64]*producer
	// pending and pendingGroups count the open transactions that have committed an
	// offset, or any offset of a group.
	pending       map[offsetKey]int
	pendingGroups map[string]int
	timers        coord.Timers[timerKey]
	token         core.Token // newest append
	// position rises with every record, replayed or appended, and follows the log's
	// order. Replayed records have their offsets.
	position int64
	begun    bool // the first Step has been
	skipped  int  // replayed records of unknown kinds
	// latest is the newest metadata that a request has brought.
	latest coord.Catalog
	// settings are the newest configs of groups that the metadata has brought; nil before.
	settings Settings
	sweep    []string // groups that the present search for expired offsets has not seen

	// Of the running Step.
	now     time.Duration
	out     *core.Duties
	batch   []coord.KV
	notices []any
}

// timerKey names a deadline: of a member's session, or of a whole group.
type timerKey struct {
	kind   timerKind
	group  string
	member string
}

type timerKind uint8

const (
	sessionTimer   timerKind = iota // no sign of life from a member
	pendingTimer                    // a member id was given out and not used
	rebalanceTimer                  // members have not come back to join
	initialTimer                    // the quiet time before a first rebalance is over
	syncTimer                       // members have not asked for their assignment
	producerTimer                   // time to forget idle producers
	expiryTimer                     // time to look for expired offsets

	// Of members of consumer groups.
	revokeTimer     // partitions have not been given up
	rejoinTimer     // a member of the classic protocol has not joined again
	memberSyncTimer // nor asked for what it may read
)

// NewCore returns a core without groups. wall is the time of day when now is 0; it
// dates records. Member ids are drawn from rng. Replay may follow, then Step.
func NewCore(cfg Config, wall time.Time, rng *rand.Rand) *Core {
	cfg.setDefaults()
	return &Core{cfg: cfg, rng: rng, wallMs: wall.UnixMilli(), latest: nowhere{},
		groups: map[string]*group{}, producers: map[int64]*producer{},
		pending: map[offsetKey]int{}, pendingGroups: map[string]int{}}
}

// TopicsDeleted is the input that drops the committed offsets of topics. The core
// replies nil.
type TopicsDeleted struct {
	ID    uint64
	Names []string
}

// WriteMarker is the input that ends a transaction. The core replies with an error
// as coord.MarkerWriter has them, or nil.
type WriteMarker struct {
	ID     uint64
	Marker coord.Marker
}

// Step implements core.Core. Inputs are coord.Request, WriteMarker, TopicsDeleted,
// core.Tick and core.Done.
func (c *Core) Step(now time.Duration, in core.Input, out *core.Duties) {
	c.now, c.out = now, out
	if !c.begun {
		c.begin(now)
	}
	switch in := in.(type) {
	case coord.Request:
		c.request(in)
	case WriteMarker:
		c.writeMarker(in)
	case TopicsDeleted:
		c.topicsDeleted(in)
	case listIDs:
		c.out.Add(core.Reply{ID: in.id, Response: c.sortedIDs()})
	case summarize:
		c.summarize(in)
	case core.Tick, core.Done:
	default:
		panic(fmt.Sprintf("group core: unknown input %T", in))
	}
	for key, ok := c.timers.Due(now); ok; key, ok = c.timers.Due(now) {
		c.expire(key)
	}
	if len(c.batch) > 0 {
		panic("group core: records were noted and not appended")
	}
	c.flushNotices()
	out.WakeAt = c.timers.Next()
	c.out = nil
}

func (c *Core) request(r coord.Request) {
	c.learn(r.Topics)
	switch req := r.Body.(type) {
	case *kmsg.JoinGroupRequest:
		c.join(r, req)
	case *kmsg.SyncGroupRequest:
		c.sync(r, req)
	case *kmsg.HeartbeatRequest:
		c.heartbeat(r, req)
	case *kmsg.LeaveGroupRequest:
		c.leave(r, req)
	case *kmsg.OffsetCommitRequest:
		c.commit(r, req)
	case *kmsg.OffsetFetchRequest:
		c.fetch(r, req)
	case *kmsg.OffsetDeleteRequest:
		c.deleteOffsets(r, req)
	case *kmsg.TxnOffsetCommitRequest:
		c.txnCommit(r, req)
	case *kmsg.DescribeGroupsRequest:
		c.describe(r, req)
	case *kmsg.ListGroupsRequest:
		c.list(r, req)
	case *kmsg.DeleteGroupsRequest:
		c.deleteGroups(r, req)
	case *kmsg.ConsumerGroupHeartbeatRequest:
		c.consumerHeartbeat(r, req)
	case *kmsg.ConsumerGroupDescribeRequest:
		c.consumerDescribe(r, req)
	default:
		panic(fmt.Sprintf("group core: no handler for %T", r.Body))
	}
}

func (c *Core) expire(key timerKey) {
	switch key.kind {
	case producerTimer:
		c.forgetProducers()
		return
	case expiryTimer:
		c.expireOffsets()
		return
	}
	g := c.groups[key.group]
	if g == nil {
		return
	}
	if g.consumers != nil {
		c.consumerExpired(g, key)
		return
	}
	switch key.kind {
	case sessionTimer:
		c.sessionExpired(g, key.member)
	case pendingTimer:
		c.pendingExpired(g, key.member)
	case rebalanceTimer, initialTimer:
		g.initialLimit = 0
		c.completeJoin(g)
	case syncTimer:
		c.syncExpired(g)
	}
}

// wall is the present time of day in milliseconds, for records.
func (c *Core) wall() int64 { return c.wallMs + c.now.Milliseconds() }

// reply answers a request once everything that was appended for g is committed.
// Without a group it answers at once.
func (c *Core) reply(g *group, r coord.Request, resp any) {
	var after core.Token
	if g != nil {
		after = g.token
	}
	c.out.AddAfter(after, core.Reply{ID: r.ID, Response: resp})
}

// note adds a record to the batch of this step; a nil value is a tombstone.
func (c *Core) note(key, value []byte) {
	c.batch = append(c.batch, coord.KV{Key: key, Value: value})
	c.position++
}

// append writes what was noted, if anything, on behalf of the groups given.
func (c *Core) append(groups ...*group) {
	if len(c.batch) == 0 {
		return
	}
	c.emit(coord.Batch{TimestampMs: c.wall(), ProducerID: -1, ProducerEpoch: -1, Records: c.batch}, groups...)
}

func (c *Core) emit(b coord.Batch, groups ...*group) {
	c.token++
	c.out.Add(core.Append{Token: c.token, Batch: b.Encode()})
	c.batch = c.batch[:0]
	for _, g := range groups {
		g.token = c.token
	}
}

// group returns a group, made if it does not exist.
func (c *Core) group(id string) *group {
	g := c.groups[id]
	if g == nil {
		g = newGroup(id)
		c.groups[id] = g
	}
	return g
}

// tidy forgets a group of which nothing is left, neither here nor in the log.
func (c *Core) tidy(g *group) {
	if len(g.members) == 0 && len(g.pending) == 0 && len(g.offsets) == 0 &&
		g.state == Empty && !g.written && g.consumers == nil && c.pendingGroups[g.id] == 0 {
		delete(c.groups, g.id)
	}
}

// sortedIDs are the ids of all groups, in order.
func (c *Core) sortedIDs() []string {
	ids := make([]string, 0, len(c.groups))
	for id := range c.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
