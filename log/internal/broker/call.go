package broker

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Caller is who stands at the other end, over a connection or in this process. No
// handler asks which of the two it is.
type Caller struct {
	// ClientID is what the request's header says; it identifies nobody.
	ClientID string
	// Principal is who the caller has proved to be, as User:name.
	Principal string
	// Host is the caller's address, which rights may depend on.
	Host string
	// Listener is the name of the listener that took the connection.
	Listener string
	// Reached is where the caller is told to reach this node: the address that it came
	// to, unless its listener advertises another.
	Reached Endpoint
}

// Endpoint is where clients connect to a node.
type Endpoint struct {
	Host string
	Port int32
}

// call is one request in the hands of a handler.
type call struct {
	*Broker
	caller *Caller
	// login is where the caller's connection stands with SASL; nil if it has none.
	login *login
	// req is what is asked, for log lines: its byte fields are gone when the handler
	// has returned.
	req kmsg.Request
	// began is when the request was there, bytesIn what it took on the wire.
	began   time.Time
	bytesIn int

	// What the handler leaves behind for quotas: bytes of records that it has moved, and
	// the time that it did nothing but wait.
	produced, fetched int64
	waited            time.Duration
	// delay is how long the caller has to wait before its next request.
	delay time.Duration

	// loans are held until the response has left.
	loans []loan
}

func (c *call) releaseLoans() {
	for i := range c.loans {
		c.loans[i].release()
	}
	c.loans = nil
}

// panicked is the failure of a handler by a fault of ours.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("handler panicked: %v", p.value) }

// handle runs a request's handler. The returned error means that the connection
// is to be closed.
func (c *call) handle(ctx context.Context, req kmsg.Request) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	c.req = req
	if quotas := c.image().Quotas(); quotas == nil {
		a, err = c.handlers[req.Key()].handle(ctx, c, req)
	} else {
		began := time.Now()
		a, err = c.handlers[req.Key()].handle(ctx, c, req)
		c.charge(quotas, time.Since(began)-c.waited)
	}
	if err == nil && a.now != nil {
		c.seal(a.now, req.GetVersion())
	}
	return a, err
}

// finish waits for the answer's response; nil if there is none.
func (c *call) finish(ctx context.Context, a answer, version int16) (resp kmsg.Response, err error) {
	if a.later == nil {
		return a.now, nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	if resp = a.later(ctx); resp != nil {
		c.seal(resp, version)
	}
	return resp, nil
}

// seal gives a response the request's version (ApiVersions alone may choose its own)
// and the throttle time, if the caller is to wait. In tests it panics if a client could
// not read the response.
func (c *call) seal(resp kmsg.Response, version int16) {
	if resp.Key() != keyApiVersions {
		resp.SetVersion(version)
	}
	c.tell(resp)
	if c.opts.Strict {
		if err := checkNulls(resp); err != nil {
			panic(err)
		}
	}
}

// MaxVersion is the highest version of a key that a client would use now, or -1 if
// the key is not served.
func (b *Broker) MaxVersion(key int16) int16 { return maxVersion(b.level(), key) }

// Do answers a request of this process, whose version must be one that is served. It
// blocks until the answer is there. The response is nil if the request asked for none.
func (b *Broker) Do(ctx context.Context, caller *Caller, req kmsg.Request) (kmsg.Response, error) {
	h := b.handlers[req.Key()]
	if h == nil {
		return nil, fmt.Errorf("API key %d is not served", req.Key())
	}
	if r, ok := h.at(b.level()); !ok || req.GetVersion() < max(r.min, h.served) || req.GetVersion() > r.max {
		return nil, fmt.Errorf("%s version %d is not served", kmsg.NameForKey(req.Key()), req.GetVersion())
	}
	if !b.requests.enter(0) {
		return nil, ErrClosed
	}
	defer b.requests.leave()
	c := &call{Broker: b, caller: caller, began: time.Now()}
	defer c.releaseLoans()
	a, err := c.handleUntil(ctx, b.open, req)
	if err == nil {
		var resp kmsg.Response
		if resp, err = c.finishUntil(ctx, b.flushing, a, req.GetVersion()); err == nil {
			c.observe(req.Key(), resp, 0)
			c.sitOut(ctx, resp)
			return resp, nil
		}
	}
	if b.open.Err() != nil {
		return nil, ErrClosed
	}
	b.report(caller, err)
	return nil, fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
}

// handleUntil is handle for as long as both contexts last.
func (c *call) handleUntil(ctx, also context.Context, req kmsg.Request) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(also, cancel)()
	return c.handle(ctx, req)
}

// finishUntil is finish for as long as both contexts last.
func (c *call) finishUntil(ctx, also context.Context, a answer, version int16) (kmsg.Response, error) {
	if a.later == nil {
		return a.now, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(also, cancel)()
	return c.finish(ctx, a, version)
}

// within bounds ctx by a request's timeout, which is between a millisecond and a minute.
func within(ctx context.Context, timeoutMillis int32) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(min(max(timeoutMillis, 1), 60_000))*time.Millisecond)
}
