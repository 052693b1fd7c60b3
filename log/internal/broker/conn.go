package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is one client connection.
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
	b      *Broker
	nc     net.Conn
	caller Caller

	requests chan frame
	replies  chan reply

	mute   mute // neither the reader nor the worker begins anything meanwhile
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
	came time.Time
	loan loan
}

// reply is an answer on its way to the writer.
type reply struct {
	call        *call
	answer      answer
	correlation int32
	key         int16
	version     int16
}

// serveConn serves one connection until the peer closes it, breaks a rule or the
// broker drains. It closes nc.
func (b *Broker) serveConn(nc net.Conn, caller Caller) {
	c := &conn{
		b: b, nc: nc, caller: caller, counts: b.stats.listener(caller.Listener),
		requests: make(chan frame, b.opts.Limits.Pipelined),
		replies:  make(chan reply, b.opts.Limits.Pipelined),
	}
	c.handling, c.stopHandling = context.WithCancel(b.open)
	c.replying, c.stopReplying = context.WithCancel(b.flushing)
	defer c.stopReplying()
	defer c.stopHandling()
	// A closing node stops reading here; what was read is still answered.
	defer context.AfterFunc(b.open, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })()
	// A node that waits no longer cuts the connection.
	defer context.AfterFunc(b.flushing, func() { _ = nc.Close() })()

	var wg sync.WaitGroup
	wg.Go(c.work)
	wg.Go(c.write)
	c.read()
	wg.Wait()
	_ = nc.Close()
}

// fail closes the connection because of err, once.
func (c *conn) fail(err error) {
	c.failOnce.Do(func() {
		if !c.over(err) {
			c.counts.failed.Add(1)
			c.b.report(&c.caller, err)
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
		c.mute.wait(c.replying.Done(), c.b.open.Done())
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
	}
}

// over tells whether an error is a connection's normal end: the peer has closed or
// been idle, or the node is closing.
func (c *conn) over(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errIdle) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		c.b.open.Err() != nil || c.replying.Err() != nil
}

var errIdle = errors.New("idle")

func (c *conn) readFrame() (frame, error) {
	limits := &c.b.opts.Limits
	c.deadline(limits.Idle)
	p, err := readPrefix(c.nc)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errIdle
		}
		return frame{}, err
	}
	if err := p.check(c.b.level(), limits); err != nil {
		return frame{}, err
	}
	l, err := c.b.requestMemory.take(c.handling, int64(p.size))
	if err != nil {
		return frame{}, fmt.Errorf("reserve memory for a request: %w", err)
	}
	f := frame{prefix: p, rest: takeBuffer(p.rest()), loan: l}
	if err := c.readBody(f.rest); err != nil {
		f.loan.release()
		return frame{}, fmt.Errorf("read a %s request of %d bytes: %w", kmsg.NameForKey(p.key), p.size, err)
	}
	f.came = time.Now()
	return f, nil
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
		c.mute.wait(c.replying.Done(), c.b.open.Done())
		if over || c.replying.Err() != nil {
			f.loan.release()
			continue
		}
		r, err := c.handle(f)
		switch {
		case err == nil:
			c.replies <- r
		case c.b.open.Err() != nil:
			over = true // the node closes: what was answered before still leaves
		default:
			c.fail(err)
		}
	}
}

// handle decodes and handles one request and ends the frame's life.
func (c *conn) handle(f frame) (reply, error) {
	defer f.loan.release()
	defer c.b.dropBuffer(f.rest)
	caller := c.caller
	r := reply{
		call:        &call{Broker: c.b, caller: &caller, began: f.came, bytesIn: 4 + f.size},
		correlation: f.correlation,
		key:         f.key,
		version:     f.version,
	}
	if f.key == keyApiVersions && f.version > c.b.MaxVersion(keyApiVersions) {
		r.answer.now = unsupportedApiVersions(c.b.level())
		return r, nil
	}
	var err error
	if r.answer, err = c.decodeAndHandle(f, r.call); err != nil {
		r.call.releaseLoans()
		return reply{}, fmt.Errorf("%s version %d: %w", kmsg.NameForKey(f.key), f.version, err)
	}
	c.mute.add(r.call.delay)
	return r, nil
}

// decodeAndHandle pays for what the frame decodes to and for its answer, decodes it
// and handles it.
func (c *conn) decodeAndHandle(f frame, call *call) (answer, error) {
	walked, err := f.walk(f.rest)
	if err != nil {
		return answer{}, err
	}
	call.caller.ClientID = walked.clientID
	// A peer that is gone may have sent a Produce without acknowledgement before.
	l, err := c.b.decodeMemory.take(c.replying, c.b.handlers[f.key].price(walked.weight))
	if err != nil {
		return answer{}, fmt.Errorf("reserve memory to decode and answer: %w", err)
	}
	call.loans = append(call.loans, l)
	req, err := walked.decode()
	if err != nil {
		return answer{}, err
	}
	return call.handle(c.handling, req)
}

// write is the writer. It takes every reply, also when it can send none any more.
func (c *conn) write() {
	var buf []byte
	for r := range c.replies {
		var sent int64
		resp, err := r.call.finish(c.replying, r.answer, r.version)
		if err == nil && resp != nil && c.replying.Err() == nil {
			var f net.Buffers
			f, buf = encode(buf, r.correlation, resp)
			_ = c.nc.SetWriteDeadline(time.Now().Add(c.b.opts.Limits.FrameTime))
			if sent, err = f.WriteTo(c.nc); err != nil {
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
		if err != nil && c.replying.Err() == nil {
			c.fail(err)
		}
	}
}
