package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counter is a core that adds what it is asked to, keeps it in a log and answers
// with the sum once that is committed. Every wake after the first input it says so.
type counter struct {
	sum, token int
	every      time.Duration
	ticks      *[]time.Duration
}

type add struct {
	id uint64
	n  int
}

func (c *counter) Step(now time.Duration, in Input, out *Duties) {
	switch in := in.(type) {
	case add:
		c.sum += in.n
		c.token++
		out.Add(Append{Token: Token(c.token), Batch: fmt.Appendf(nil, "%d", in.n)})
		out.AddAfter(Token(c.token), Reply{ID: in.id, Response: c.sum})
	case Tick:
		if c.ticks != nil {
			*c.ticks = append(*c.ticks, now)
		}
	case Done:
	}
	if c.every > 0 {
		out.WakeAt = now + c.every
	}
}

// host keeps batches and answers when it is told to, or at once.
type host struct {
	mu     sync.Mutex
	held   []func(error)
	hold   bool
	resets chan error
}

func (h *host) Append(a Append, done func(Done)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.hold {
		done(Done{Token: a.Token})
		return
	}
	h.held = append(h.held, func(err error) { done(Done{Token: a.Token, Err: err}) })
}

func (h *host) release(err error) {
	h.mu.Lock()
	held := h.held
	h.held = nil
	h.mu.Unlock()
	for _, f := range held {
		f(err)
	}
}

func (h *host) Propose(Propose, func(Done)) { panic("no proposals here") }
func (h *host) Send(Send, func(Input))      { panic("no messages here") }
func (h *host) Do(any)                      { panic("no duties here") }
func (h *host) Reset(err error)             { h.resets <- err }

func call(h *Handle, ctx context.Context, n int) (any, error) {
	return h.Call(ctx, func(id uint64) Input { return add{id, n} })
}

func TestDriverAnswers(t *testing.T) {
	d := NewDriver(DriverOptions{Shards: 3})
	defer d.Close()
	var wg sync.WaitGroup
	for key := range uint64(10) {
		h := d.Add(key, &counter{}, &host{})
		wg.Go(func() {
			for i := 1; i <= 100; i++ {
				if got, err := call(h, context.Background(), 1); err != nil || got != i {
					t.Errorf("call %d of core %d: %v, %v", i, key, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestDriverWakesCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, fast []time.Duration
		d := NewDriver(DriverOptions{Shards: 1})
		d.Add(0, &counter{every: 3 * time.Second, ticks: &slow}, &host{})
		d.Add(1, &counter{every: time.Second, ticks: &fast}, &host{})
		time.Sleep(10*time.Second + time.Millisecond)
		d.Close()
		if len(slow) != 4 || len(fast) != 11 || fast[3] != 3*time.Second {
			t.Errorf("slow woke at %v, fast at %v", slow, fast)
		}
	})
}

func TestDriverPushesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDriver(DriverOptions{Shards: 1, Mailbox: 2, MaxInFlight: 3})
		defer d.Close()
		stuck := &host{hold: true}
		h, other := d.Add(0, &counter{}, stuck), d.Add(1, &counter{}, &host{})
		results := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := call(h, context.Background(), 1)
				results <- err
			}()
		}
		synctest.Wait()
		if _, err := call(h, context.Background(), 1); !errors.Is(err, ErrBusy) {
			t.Errorf("a fourth append under way: %v", err)
		}
		// A core whose log stands still does not hold up others of its shard.
		if got, err := call(other, context.Background(), 7); got != 7 || err != nil {
			t.Errorf("the neighbour: %v, %v", got, err)
		}
		stuck.release(nil)
		for range 3 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

// gatekeeper is a core that stops its shard until it is let go, to fill mailboxes.
type gatekeeper struct{ inside, leave chan struct{} }

func (g gatekeeper) Step(_ time.Duration, in Input, _ *Duties) {
	if in != (Tick{}) {
		g.inside <- struct{}{}
		<-g.leave
	}
}

func TestDriverMailboxIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDriver(DriverOptions{Shards: 1, Mailbox: 2})
		g := gatekeeper{make(chan struct{}), make(chan struct{})}
		h := d.Add(0, g, &host{})
		go h.Submit(context.Background(), "stop here")
		<-g.inside
		for range 2 {
			if err := h.TrySubmit("wait"); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.TrySubmit("too many"); !errors.Is(err, ErrBusy) {
			t.Errorf("a full mailbox: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := h.Submit(ctx, "too many"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a full mailbox: %v", err)
		}
		go func() {
			for range g.inside {
			}
		}()
		close(g.leave)
		if err := h.Submit(context.Background(), "room again"); err != nil {
			t.Error(err)
		}
		d.Close()
		close(g.inside)
	})
}

func TestDriverCallEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDriver(DriverOptions{})
		defer d.Close()
		stuck := &host{hold: true}
		h := d.Add(0, &counter{}, stuck)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := call(h, ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		stuck.release(nil) // the late reply finds nobody
		stuck.mu.Lock()
		stuck.hold = false
		stuck.mu.Unlock()
		if got, err := call(h, context.Background(), 1); got != 2 || err != nil {
			t.Errorf("%v, %v: what timed out had happened", got, err)
		}
	})
}

func TestDriverResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDriver(DriverOptions{})
		defer d.Close()
		stuck := &host{hold: true, resets: make(chan error, 1)}
		h := d.Add(0, &counter{}, stuck)
		results := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := call(h, context.Background(), 1)
				results <- err
			}()
		}
		synctest.Wait()
		stuck.release(errors.New("disk full"))
		for range 2 {
			if err := <-results; !errors.Is(err, ErrReset) {
				t.Error(err)
			}
		}
		if err := <-stuck.resets; !errors.Is(err, ErrReset) {
			t.Error(err)
		}
		if _, err := call(h, context.Background(), 1); !errors.Is(err, ErrReset) {
			t.Errorf("after the reset: %v", err)
		}
		h.Close()
	})
}

func TestDriverCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDriver(DriverOptions{})
		stuck := &host{hold: true}
		closed, open := d.Add(0, &counter{}, stuck), d.Add(1, &counter{}, stuck)
		results := make(chan error, 2)
		for _, h := range []*Handle{closed, open} {
			go func() {
				_, err := call(h, context.Background(), 1)
				results <- err
			}()
		}
		synctest.Wait()
		closed.Close()
		closed.Close()
		if err := <-results; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if _, err := call(closed, context.Background(), 1); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed handle: %v", err)
		}
		d.Close()
		d.Close()
		if err := <-results; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		stuck.release(nil) // completions after the end find nobody
		if err := open.Submit(context.Background(), add{}); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed driver: %v", err)
		}
		open.Close()
	})
}

func TestDeliverComesBeforeLaterCalls(t *testing.T) {
	d := NewDriver(DriverOptions{Shards: 1})
	defer d.Close()
	h := d.Add(0, &counter{}, &host{})
	want := 0
	for i := range 1000 {
		h.Deliver(add{n: 1})
		want += 1 + i%2
		if got, err := call(h, context.Background(), i%2); got != want || err != nil {
			t.Fatalf("call %d: %v, %v, want %d", i, got, err, want)
		}
	}
}
