package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// countEvery is how often the leader looks whether topics have grown.
const countEvery = time.Minute

// Reasons why a generation is over, found by errors.Is in Generation.Err.
var (
	// ErrRebalance: the group is reassigning; Join within the rebalance timeout.
	ErrRebalance = errors.New("the group is rebalancing")
	// ErrSessionExpired: no heartbeat got through for the session timeout.
	ErrSessionExpired = errors.New("the group session has expired")
)

// Generation is a time during which an assignment holds.
type Generation struct {
	GroupMeta
	Assignment
	Leader bool // this member assigns

	counts map[string]int32 // partition counts that the leader assigned by

	lost chan struct{}
	mu   sync.Mutex
	err  error // guarded by mu; set before lost is closed
}

// Lost is closed when the generation is over.
func (gen *Generation) Lost() <-chan struct{} { return gen.lost }

// Err says why Lost is closed: ErrRebalance, ErrSessionExpired, ErrGeneration or
// ErrFenced (then do not join again); nil while the generation holds.
func (gen *Generation) Err() error {
	gen.mu.Lock()
	defer gen.mu.Unlock()
	return gen.err
}

// end notes the reason; the first one stays.
func (gen *Generation) end(err error) {
	gen.mu.Lock()
	defer gen.mu.Unlock()
	if gen.err == nil {
		gen.err = err
		close(gen.lost)
	}
}

// begin makes gen the current generation and starts its heartbeats.
func (g *Group) begin(gen *Generation) {
	gen.lost = make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	g.current, g.stop, g.done = gen, stop, make(chan struct{})
	g.owned = gen.Partitions
	go func(done chan struct{}) {
		defer close(done)
		g.heartbeats(ctx, gen)
	}(g.done)
}

// endHeartbeats stops the current generation's heartbeats and waits for them.
// What they found out about the member id is taken over.
func (g *Group) endHeartbeats() {
	if g.current == nil {
		return
	}
	g.stop()
	<-g.done
	if err := g.current.Err(); err != nil && !errors.Is(err, ErrRebalance) {
		g.owned = nil
		if errors.Is(err, kerr.UnknownMemberID) {
			g.member = ""
		}
	}
	g.current.end(ErrClosed)
	g.current = nil
}

// heartbeats runs until ctx ends or the member is out of the group.
func (g *Group) heartbeats(ctx context.Context, gen *Generation) {
	tick := time.NewTicker(g.o.Heartbeat)
	defer tick.Stop()
	answered, counted := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := g.heartbeat(ctx, gen, time.Until(answered.Add(g.o.SessionTimeout)))
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			answered = time.Now()
		case errors.Is(err, ErrRebalance):
			answered = time.Now()
			gen.end(err)
		case !transient(ctx, err):
			gen.end(err)
			return
		case time.Since(answered) >= g.o.SessionTimeout:
			gen.end(fmt.Errorf("group %s: %w (last: %w)", g.o.Group, ErrSessionExpired, err))
			return
		}
		if gen.Leader && time.Since(counted) >= countEvery {
			counted = time.Now()
			if g.changed(ctx, gen) {
				gen.end(fmt.Errorf("group %s: partitions were added: %w", g.o.Group, ErrRebalance))
			}
		}
	}
}

func (g *Group) heartbeat(ctx context.Context, gen *Generation, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(patience, g.o.Heartbeat))
	defer cancel()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = gen.Group, gen.GroupMeta.Generation, gen.Member, optional(gen.Instance)
	resp, err := req.RequestWith(ctx, g.c.cluster)
	if err != nil {
		return err
	}
	if resp.ErrorCode == kerr.RebalanceInProgress.Code {
		return fmt.Errorf("group %s: %w", g.o.Group, ErrRebalance)
	}
	return brokerError(resp.ErrorCode, nil, "heartbeat in group %s", g.o.Group)
}
