package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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
//
// The reader pays for frames and reads them; it notices when the peer is gone. The
// worker decodes and handles, one request at a time; for a Produce it hands on a
// promise instead of a response. The writer waits for the promises in order and
// writes.
//
// Invariants:
//
//  1. Requests take effect in the order in which they came, and responses leave in it.
//  2. A frame's bytes are in a loan from before they are read until the handler has
//     returned, and nothing refers to them after that. What it decodes to and what
//     its answer takes are in another from before it is decoded until the answer has
//     left.
//  3. Both queues are bounded, and so is the time a peer may take over a frame or
//     a response.
//  4. All three goroutines end when serve returns.
type conn struct {
	b         *Broker
	how       *Listener
	nc        net.Conn
	encrypted bool // nc is a TLS connection
	caller    atomic.Pointer[Caller]

	// login is the worker's, nil if the listener has no SASL. Until the client is
	// inside, or is too late, the reader asks for every frame how it went; it is told
	// by the writer, when the answer has left.
	login    *login
	progress chan loginProgress
	arriveBy time.Time
	arrived  bool // the worker's: the reader knows that the client is inside
	stranger bool // the reader's: the client is not inside
	rawNext  bool // the reader's: the next frame is a token

	requests chan frame
	replies  chan reply

	mute   mute          // neither the reader nor the worker begins anything meanwhile
	slow   atomic.Bool   // the last request was throttled
	took   chan struct{} // of capacity 1: the worker has taken a frame
	counts *listenerStats

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

// serveConn serves one connection until the peer closes it, breaks a rule or the
// broker drains. It closes nc.
func (b *Broker) serveConn(nc net.Conn, caller Caller, how *Listener) {
	c := &conn{
		b: b, how: how, nc: nc, counts: b.stats.listener(caller.Listener),
		login: b.newLogin(how), progress: make(chan loginProgress, 1), arriveBy: time.Now().Add(b.opts.Limits.Arrival),
		requests: make(chan frame, b.opts.Limits.Pipelined), took: make(chan struct{}, 1),
		replies: make(chan reply, b.opts.Limits.Pipelined),
	}
	c.caller.Store(&caller)
	c.stranger = c.login != nil
	c.handling, c.stopHandling = context.WithCancel(b.open)
	c.replying, c.stopReplying = context.WithCancel(b.flushing)
	defer c.stopReplying()
	defer c.stopHandling()
	// A closing node stops reading here; what was read is still answered.
	defer context.AfterFunc(b.open, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })()
	// A node that waits no longer cuts the connection.
	defer context.AfterFunc(b.flushing, func() { _ = nc.Close() })()

	if err := c.secure(); err != nil {
		c.fail(err)
		return
	}
	var wg sync.WaitGroup
	wg.Go(c.work)
	wg.Go(c.write)
	c.read()
	wg.Wait()
	_ = c.nc.Close()
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

// read is the reader.
func (c *conn) read() {
	defer close(c.requests)
	defer c.stopHandling()
	for {
		c.pace()
		f, err := c.readFrame()
		if err != nil {
			if !c.over(err) {
				c.fail(err)
			}
			return // what was read is still handled
		}
		select {
		case c.requests <- f:
		case <-c.replying.Done():
			f.loan.release()
			return
		}
		if c.stranger && !c.awaitLogin() {
			return
		}
	}
}

// pace keeps the reader from reading while the connection is mute, and from reading
// ahead of the worker while it is throttled: frames that wait half a minute for their
// turn would hold the memory that everybody's requests share.
func (c *conn) pace() {
	c.mute.wait(c.replying.Done(), c.b.open.Done())
	for c.slow.Load() && len(c.requests) > 0 {
		select {
		case <-c.took:
		case <-c.replying.Done():
			return
		case <-c.b.open.Done():
			return
		}
	}
}

// awaitLogin waits until the frame of a client that is not inside is answered; false if
// there is nothing more to read.
func (c *conn) awaitLogin() bool {
	select {
	case p := <-c.progress:
		c.stranger, c.rawNext = !p.inside, p.raw
		return true
	case <-c.handling.Done():
		return false
	}
}

// over tells whether an error is a connection's normal end: the peer has closed or
// been idle, or the node is closing.
func (c *conn) over(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errIdle) || errors.Is(err, errLast) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		c.b.open.Err() != nil || c.replying.Err() != nil
}

var errIdle = errors.New("idle")

func (c *conn) readFrame() (frame, error) {
	limits := &c.b.opts.Limits
	c.deadline(limits.Idle)
	p, err := c.readPrefix()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errIdle
			if c.stranger {
				err = errArrival
			}
		}
		return frame{}, err
	}
	l, err := c.reserve(p.size)
	if err != nil {
		return frame{}, fmt.Errorf("reserve memory for a request: %w", err)
	}
	f := frame{prefix: p, raw: c.rawNext, loan: l}
	if f.raw {
		f.rest = takeBuffer(p.size)
	} else {
		f.rest = takeBuffer(p.rest())
	}
	if err := c.readBody(f.rest); err != nil {
		f.loan.release()
		return frame{}, fmt.Errorf("read a %s request of %d bytes: %w", kmsg.NameForKey(p.key), p.size, err)
	}
	f.came = time.Now()
	return f, nil
}

// reserve pays for a frame. A stranger pays from another budget, and does not wait
// for longer than there is time to come in.
func (c *conn) reserve(size int) (loan, error) {
	if !c.stranger {
		return c.b.requestMemory.take(c.handling, int64(size))
	}
	ctx, cancel := context.WithDeadlineCause(c.handling, c.arriveBy, errArrival)
	defer cancel()
	l, err := c.b.arrivalMemory.take(ctx, int64(size))
	if err != nil && context.Cause(ctx) == errArrival {
		err = errArrival
	}
	return l, err
}

var errArrival = errors.New("the client has not authenticated in time")

// readPrefix reads the first bytes of a frame and refuses what is not worth reading.
func (c *conn) readPrefix() (prefix, error) {
	if c.rawNext {
		return readTokenPrefix(c.nc)
	}
	p, err := readPrefix(c.nc)
	if err != nil {
		return p, err
	}
	return p, p.check(c.b.level(), &c.b.opts.Limits, c.stranger)
}

// readBody reads a frame's bytes as long as they keep coming.
func (c *conn) readBody(rest []byte) error {
	limits := &c.b.opts.Limits
	end := time.Now().Add(limits.FrameTime)
	for len(rest) > 0 {
		c.deadline(min(limits.ChunkTime, time.Until(end)))
		n, err := io.ReadFull(c.nc, rest[:min(len(rest), chunkBytes)])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

const chunkBytes = 256 << 10

// deadline sets the time for the next read. The broker's closing must not be
// overwritten by it.
func (c *conn) deadline(d time.Duration) {
	if c.stranger {
		d = min(d, time.Until(c.arriveBy))
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(d))
	if c.b.open.Err() != nil {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// work is the worker. After a request that has no answer it handles no other.
func (c *conn) work() {
	defer close(c.replies)
	over := false
	for f := range c.requests {
		select {
		case c.took <- struct{}{}:
		default:
		}
		c.mute.wait(c.replying.Done(), c.b.open.Done())
		if over || c.replying.Err() != nil {
			f.loan.release()
			continue
		}
		r, err := c.handle(f)
		switch {
		case err == nil:
			r.progress = c.progressed()
			c.replies <- r
			over = r.answer.last
		case c.b.open.Err() != nil:
			over = true // the node closes: what was answered before still leaves
		default:
			c.fail(err)
		}
	}
}

// progressed is what the reader of a client that was not inside has to know of a
// request that was handled; nil once it knows that the client is inside.
func (c *conn) progressed() *loginProgress {
	if c.login == nil || c.arrived {
		return nil
	}
	c.arrived = c.login.state == inside
	return &loginProgress{inside: c.arrived, raw: c.login.raw && c.login.state == choosing}
}

// tellProgress lets the reader go on. The channel has room: the reader takes a value for
// each frame until it gets one that says inside.
func (c *conn) tellProgress(p *loginProgress) {
	if p != nil {
		c.progress <- *p
	}
}

// handle decodes and handles one request and ends the frame's life.
func (c *conn) handle(f frame) (reply, error) {
	defer f.loan.release()
	defer c.b.dropBuffer(f.rest)
	ctx, cancel := c.patience()
	defer cancel()
	if f.raw {
		return c.rawToken(ctx, f.rest)
	}
	if c.login != nil {
		if err := c.login.check(f.key, f.came); err != nil {
			return reply{}, fmt.Errorf("%s: %w", kmsg.NameForKey(f.key), err)
		}
	}
	caller := *c.caller.Load()
	r := reply{
		call:        &call{Broker: c.b, caller: &caller, login: c.login, began: f.came, bytesIn: 4 + f.size},
		correlation: f.correlation,
		key:         f.key,
		version:     f.version,
	}
	if f.key == keyApiVersions && f.version > c.b.MaxVersion(keyApiVersions) {
		r.answer.now = unsupportedApiVersions(c.b.level())
		return r, nil
	}
	var err error
	if r.answer, err = c.decodeAndHandle(ctx, f, r.call); err != nil {
		r.call.releaseLoans()
		return reply{}, fmt.Errorf("%s version %d: %w", kmsg.NameForKey(f.key), f.version, err)
	}
	if c.arriving() { // what takes its answer slowly holds little meanwhile
		r.call.req = nil
		r.call.loans[0].shrink(defaultAnswerBytes)
	}
	if f.key == keySaslAuthenticate && c.login != nil && c.login.state == inside {
		c.entered(caller.ClientID)
	}
	c.mute.add(r.call.delay)
	c.slow.Store(r.call.delay > 0)
	return r, nil
}

// decodeAndHandle pays for what the frame decodes to and for its answer, decodes it
// and handles it.
func (c *conn) decodeAndHandle(ctx context.Context, f frame, call *call) (answer, error) {
	walked, err := f.walk(f.rest)
	if err != nil {
		return answer{}, err
	}
	call.caller.ClientID = walked.clientID
	// A peer that is gone may have sent a Produce without acknowledgement before.
	memory, waiting := c.b.decodeMemory, c.replying
	if c.arriving() {
		memory, waiting = c.b.arrivalDecodeMemory, ctx
	}
	l, err := memory.take(waiting, c.b.handlers[f.key].price(walked.weight))
	if err != nil {
		return answer{}, fmt.Errorf("reserve memory to decode and answer: %w", err)
	}
	call.loans = append(call.loans, l)
	req, err := walked.decode()
	if err != nil {
		return answer{}, err
	}
	return call.handle(ctx, req)
}

// arriving tells the worker that the client is not inside yet.
func (c *conn) arriving() bool { return c.login != nil && !c.arrived }

// patience is how long a request of now is worth handling: while somebody wants its
// answer, and of a client that is not inside while it has time to come in.
func (c *conn) patience() (context.Context, context.CancelFunc) {
	if c.arriving() {
		return context.WithDeadlineCause(c.handling, c.arriveBy, errArrival)
	}
	return c.handling, func() {}
}

// write is the writer. It takes every reply, also when it can send none any more.
func (c *conn) write() {
	var buf []byte
	for r := range c.replies {
		if r.token != nil {
			if c.writeToken(r.token) {
				c.tellProgress(r.progress)
			}
			continue
		}
		var sent int64
		resp, err := r.call.finish(c.replying, r.answer, r.version)
		if err == nil && resp != nil && c.replying.Err() == nil {
			var f net.Buffers
			f, buf = encode(buf, r.correlation, resp)
			if sent, err = c.send(f); err != nil {
				err = fmt.Errorf("write a %s response: %w", kmsg.NameForKey(resp.Key()), err)
			}
			if cap(buf) > maxKeptReply {
				buf = nil
			}
		}
		r.call.releaseLoans()
		if err == nil {
			r.call.observe(r.key, resp, int(sent))
		}
		switch {
		case err == nil && r.answer.last:
			err = errLast
		case err == nil:
			c.tellProgress(r.progress)
		}
		if err != nil && c.replying.Err() == nil {
			c.fail(err)
		}
	}
}

// errLast ends a connection behind an answer that says why.
var errLast = errors.New("last answer")

// send writes a frame. TLS makes a record of each piece that it is given, so pieces
// are gathered for it.
func (c *conn) send(f net.Buffers) (int64, error) {
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.b.opts.Limits.FrameTime))
	if !c.encrypted || len(f) == 1 {
		return f.WriteTo(c.nc)
	}
	return gather(c.nc, f)
}

// writeToken answers a token that came without a request's header in the same way.
func (c *conn) writeToken(token []byte) (ok bool) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(token)))
	_, err := c.send(net.Buffers{append(frame, token...)})
	if err != nil && c.replying.Err() == nil {
		c.fail(fmt.Errorf("write a SASL token: %w", err))
	}
	return err == nil
}
