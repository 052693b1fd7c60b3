package broker

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/millrace/millrace/log/internal/quota"
)

// Why a connection is closed before it is served.
var (
	errTooManyConnections = errors.New("too many connections")
	errTooManyOfAddress   = errors.New("too many connections of this address")
	errTooManyStrangers   = errors.New("too many connections that have not authenticated")
	errTooOften           = errors.New("the address makes more connections than its quota connection_creation_rate allows")
)

// Serve accepts connections on l until l is closed, which Drain does too.
func (b *Broker) Serve(l net.Listener, how *Listener) error {
	defer context.AfterFunc(b.open, func() { _ = l.Close() })()
	if len(how.Mechanisms) > 0 {
		users := b.followUsers()
		defer users()
	}
	for pause := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
		case b.open.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case isTemporary(err):
			// Out of file descriptors, most likely: wait for connections to end.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			b.opts.Logger.Warn("accept a connection", "listener", how.Name, "error", err, "retry_in", pause)
			select {
			case <-time.After(pause):
			case <-b.open.Done():
			}
			continue
		default:
			return err
		}
		b.admit(nc, how)
	}
}

// isTemporary tells whether a later accept may succeed.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// admit serves a connection on a goroutine of its own, or closes it when there is no
// place for it.
func (b *Broker) admit(nc net.Conn, how *Listener) {
	if !b.connections.enter(0) {
		_ = nc.Close() // the node closes
		return
	}
	c := b.newConn(nc, how)
	gaveWay, err := b.places.enter(c.place, time.Now())
	if err != nil {
		c.cut()
		b.turnedAway(c, err)
		b.connections.leave()
		return
	}
	if gaveWay != nil {
		gaveWay.counts.gaveWay.Add(1)
		gaveWay.shove()
		b.crowded(how, false)
	}
	go func() {
		defer b.connections.leave()
		defer b.places.leave(c.place)
		if wait := b.quotas.Admit(b.image().Quotas(), quota.ConnectionCreationRate, c.caller.Load().client(), 1); wait > 0 {
			b.keepOut(c, wait)
			return
		}
		c.counts.accepted.Add(1)
		c.counts.open.Add(1)
		defer c.counts.open.Add(-1)
		c.serve()
	}()
}

// turnedAway counts a connection for which there was no place, and writes it down.
func (b *Broker) turnedAway(c *conn, why error) {
	switch why {
	case errTooManyStrangers:
		c.counts.tooManyStrangers.Add(1)
		b.crowded(c.how, true)
		return
	case errTooManyOfAddress:
		c.counts.tooManyOfAddress.Add(1)
	default:
		c.counts.tooMany.Add(1)
	}
	b.report(c.caller.Load(), why)
}

// keepOut closes a connection after a while without reading it (KIP-612): a client
// that connects in a loop is slowed down, and a connection that was closed at once
// would only have it come back sooner.
func (b *Broker) keepOut(c *conn, wait time.Duration) {
	c.counts.tooOften.Add(1)
	b.report(c.caller.Load(), errTooOften)
	sleep(wait, c.replying.Done(), b.open.Done())
	c.cut()
}

// crowding is what there is to say of strangers who crowd the node. The zero value is
// ready.
type crowding struct {
	mu                  sync.Mutex
	said                time.Time
	gaveWay, turnedAway int // since then
}

// crowdingPause is how long nothing is said of a crowd again: a flood has thousands of
// connections a second, and one line says it all.
const crowdingPause = 10 * time.Second

// crowded notes that a stranger gave way, or that a newcomer was turned away, and now
// and then writes down how many and who has most of them.
func (b *Broker) crowded(how *Listener, turnedAway bool) {
	n := &b.crowding
	n.mu.Lock()
	defer n.mu.Unlock()
	if turnedAway {
		n.turnedAway++
	} else {
		n.gaveWay++
	}
	if now := time.Now(); now.Sub(n.said) >= crowdingPause {
		n.said = now
		from, strangers := b.places.crowd()
		b.opts.Logger.Warn("too many connections that have not authenticated: some give way to newer ones, or are turned away",
			"listener", how.Name, "bound", b.opts.Limits.Strangers, "gave_way", n.gaveWay, "turned_away", n.turnedAway,
			"most_from", from, "of_those", strangers)
		n.gaveWay, n.turnedAway = 0, 0
	}
}
