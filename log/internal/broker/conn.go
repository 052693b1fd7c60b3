package broker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is one client connection: a TLS handshake, if the listener has one, and then
// requests, of which the first are SASL's where the listener demands that (see login).
//
// Kafka promises that the requests of a connection are handled, and answered, in
// order. One goroutine that reads, handles and writes would be enough for that, but
// then a producer waits a disk sync for each batch, and nobody notices that a
// client has gone while its JoinGroup waits for minutes. So there are three:
//
//	reader --requests--> worker --replies--> writer
//	   ^                                       |
//	   '--------------- progress --------------'   of who is not inside yet
//
// The reader pays for frames and reads them; it notices when the peer is gone. The
// worker decodes and handles, one request at a time; for a Produce it hands on a
// promise instead of a response. The writer waits for the promises in order and
// writes. Each has a file and what only it may touch in a type of its own; conn is
// what they share.
//
// Invariants:
//
//  1. Requests take effect in the order in which they came, and responses leave in it.
//  2. A frame's bytes, but for readAhead of them, are in a loan from before they are
//     read until the handler has returned, and nothing refers to them after that. What
//     it decodes to and what its answer takes are in another from before it is decoded
//     until the answer has left.
//  3. Both queues are bounded, and so is the time a peer may take over a frame or
//     a response.
//  4. All three goroutines end when serve returns.
//
// A connection ends in one of three ways. The reader finds that the peer has closed or
// broken a rule, or that the node closes: it reads no more, what it has read is still
// answered, and handlers that wait give up. Or the worker or the writer fails: nothing
// can be answered any more, and everything stops (fail). Or a node that waits no longer
// cuts it.
type conn struct {
	b         *Broker
	how       *Listener
	raw       net.Conn // as it was accepted
	nc        net.Conn // raw, or TLS over it
	encrypted bool     // it is TLS
	place     *place
	caller    atomic.Pointer[Caller]
	counts    *listenerStats

	requests chan frame
	replies  chan reply
	progress chan loginProgress // see reader.awaitLogin
	arriveBy time.Time          // who is not inside by then is cut
	pace     pace

	// handling ends when nobody can want an answer any more: the peer is gone or the
	// node closes. Handlers that wait give up then.
	handling     context.Context
	stopHandling context.CancelFunc
	// replying ends when an answer cannot be sent any more.
	replying     context.Context
	stopReplying context.CancelFunc

	failOnce sync.Once
}

// frame is a request that has been read but not decoded.
type frame struct {
	prefix
	rest []byte // of the frame, from the client id on
	raw  bool   // rest is a SASL token and all there is
	came time.Time
	loan loan
}

// reply is an answer on its way to the writer.
type reply struct {
	call        *call
	answer      answer
	token       []byte // instead of the answer, if it is not nil
	correlation int32
	key         int16
	version     int16
	progress    *loginProgress // for the reader when this has left; nil if it does not ask
}

// newConn is a connection that was accepted. It is either served or cut.
func (b *Broker) newConn(nc net.Conn, how *Listener) *conn {
	caller := Caller{Principal: anonymous, Host: host(nc.RemoteAddr()), Listener: how.Name, Reached: how.reached(nc)}
	limits := &b.opts.Limits
	c := &conn{
		b: b, how: how, raw: nc, nc: nc, counts: b.stats.listener(how.Name),
		requests: make(chan frame, limits.Pipelined), replies: make(chan reply, limits.Pipelined),
		progress: make(chan loginProgress, 1), arriveBy: time.Now().Add(limits.Arrival),
	}
	c.caller.Store(&caller)
	c.pace.wake = make(chan struct{}, 1)
	c.pace.held.Store(b.image().Quotas() != nil) // until it is known of whom
	c.place = &place{host: caller.Host, near: neighbourhood(caller.Host), counts: c.counts, shove: c.cut, stranger: how.demands()}
	c.handling, c.stopHandling = context.WithCancel(b.open)
	c.replying, c.stopReplying = context.WithCancel(b.flushing)
	return c
}

// serve serves the connection until the peer closes it, breaks a rule or the broker
// drains, and closes it.
func (c *conn) serve() {
	defer c.stopReplying()
	defer c.stopHandling()
	// A closing node stops reading here; what was read is still answered.
	defer context.AfterFunc(c.b.open, func() { _ = c.raw.SetReadDeadline(time.Unix(1, 0)) })()
	// A node that waits no longer cuts the connection.
	defer context.AfterFunc(c.b.flushing, c.cut)()

	if err := c.secure(); err != nil {
		c.fail(err)
		return
	}
	login := c.b.newLogin(c.how)
	if login == nil {
		c.b.places.settle(c.place, "")
	}
	r := reader{conn: c, in: bufio.NewReaderSize(c.nc, readAhead), stranger: login != nil}
	w := worker{conn: c, login: login, arrived: login == nil}
	var wg sync.WaitGroup
	wg.Go(w.work)
	wg.Go((&writer{conn: c}).write)
	r.read()
	wg.Wait()
	_ = c.nc.Close()
}

// cut ends the connection at once and says nothing of it. Any goroutine may call it.
func (c *conn) cut() {
	c.stopHandling()
	c.stopReplying()
	_ = c.raw.Close()
}

// fail closes the connection because of err, once.
func (c *conn) fail(err error) {
	c.failOnce.Do(func() {
		if !c.over(err) {
			c.counts.failed.Add(1)
			c.b.report(c.caller.Load(), err)
		}
		c.stopHandling()
		c.stopReplying()
		_ = c.nc.Close()
	})
}

var (
	// errIdle ends a connection that has asked nothing for long.
	errIdle = errors.New("idle")
	// errLast ends a connection behind an answer that says why.
	errLast = errors.New("last answer")
	// errArrival ends a connection that is not inside in time.
	errArrival = errors.New("the client has not authenticated in time")
)

// over tells whether an error is a connection's normal end: the peer has closed or
// been idle, or the node is closing.
func (c *conn) over(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errIdle) || errors.Is(err, errLast) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		c.b.open.Err() != nil || c.replying.Err() != nil
}

// name is the request's, for errors.
func (p prefix) name() string { return kmsg.NameForKey(p.key) }
