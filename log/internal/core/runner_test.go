package core

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// scripted is a core that answers each input, a function, with what it says.
type scripted struct{ seen []string }

func (c *scripted) Step(_ time.Duration, in Input, out *Duties) {
	switch in := in.(type) {
	case func(*Duties):
		in(out)
	case Done:
		c.seen = append(c.seen, fmt.Sprintf("done %d %v", in.Token, in.Err))
	case Tick:
		c.seen = append(c.seen, "tick")
	default:
		panic(in)
	}
}

// recorder is an Executor that writes down what it is told.
type recorder struct{ log []string }

func (r *recorder) Append(a Append)   { r.log = append(r.log, fmt.Sprintf("append %d", a.Token)) }
func (r *recorder) Propose(p Propose) { r.log = append(r.log, fmt.Sprintf("propose %d", p.Token)) }
func (r *recorder) Send(s Send)       { r.log = append(r.log, fmt.Sprintf("send %v", s.Message)) }
func (r *recorder) Do(duty any)       { r.log = append(r.log, fmt.Sprintf("do %v", duty)) }
func (r *recorder) Reply(p Reply, err error) {
	r.log = append(r.log, fmt.Sprintf("reply %d %v", p.ID, err))
}

func (r *recorder) expect(t *testing.T, want ...string) {
	t.Helper()
	if !reflect.DeepEqual(r.log, want) && (len(r.log) > 0 || len(want) > 0) {
		t.Fatalf("executed %q\nwant     %q", r.log, want)
	}
	r.log = nil
}

func newScripted() (*Runner, *scripted, *recorder) {
	c, x := &scripted{}, &recorder{}
	return NewRunner(c, x), c, x
}

func TestRunnerHoldsDutiesBack(t *testing.T) {
	r, c, x := newScripted()
	r.Step(0, func(d *Duties) {
		d.Add(Append{Token: 1})
		d.AddAfter(1, Reply{ID: 10})
		d.Add(Propose{Token: 2})
		d.AddAfter(2, Send{Message: "later"})
		d.AddAfter(1, Install{State: "one"})
		d.Add(Reply{ID: 11})
	})
	x.expect(t, "append 1", "propose 2", "reply 11 <nil>")
	if r.Pending() != 2 {
		t.Errorf("%d pending", r.Pending())
	}
	r.Step(0, Done{Token: 2})
	x.expect(t, "send later")
	r.Step(0, Done{Token: 1})
	x.expect(t, "reply 10 <nil>", "do {one}")
	if want := []string{"done 2 <nil>", "done 1 <nil>"}; !reflect.DeepEqual(c.seen, want) {
		t.Errorf("the core saw %q", c.seen)
	}
	// A token that is committed holds nothing back.
	r.Step(0, func(d *Duties) { d.AddAfter(1, Reply{ID: 12}) })
	x.expect(t, "reply 12 <nil>")
}

func TestRunnerReleasesChains(t *testing.T) {
	r, _, x := newScripted()
	r.Step(0, func(d *Duties) {
		d.Add(Append{Token: 1})
		d.AddAfter(1, Append{Token: 2})
		d.AddAfter(2, Reply{ID: 1})
	})
	x.expect(t, "append 1")
	r.Step(0, Done{Token: 1})
	x.expect(t, "append 2")
	r.Step(0, Done{Token: 2})
	x.expect(t, "reply 1 <nil>")
}

func TestRunnerFailedPropose(t *testing.T) {
	r, c, x := newScripted()
	failure := errors.New("lost")
	r.Step(0, func(d *Duties) {
		d.Add(Propose{Token: 1})
		d.AddAfter(1, Reply{ID: 1})
		d.AddAfter(1, Append{Token: 2})
		d.AddAfter(2, Reply{ID: 2})
		d.AddAfter(1, Send{Message: "never"})
	})
	x.expect(t, "propose 1")
	r.Step(0, Done{Token: 1, Err: failure})
	x.expect(t, "reply 1 lost", "reply 2 lost")
	if r.Failed() != nil || r.Pending() != 0 || len(c.seen) != 1 {
		t.Errorf("failed %v, %d pending, the core saw %q", r.Failed(), r.Pending(), c.seen)
	}
}

func TestRunnerFailedAppendEndsTheCore(t *testing.T) {
	r, c, x := newScripted()
	r.Step(0, func(d *Duties) {
		d.Add(Append{Token: 1})
		d.AddAfter(1, Reply{ID: 1})
		d.Add(Propose{Token: 2})
		d.AddAfter(2, Reply{ID: 2})
		d.WakeAt = time.Second
	})
	x.expect(t, "append 1", "propose 2")
	r.Step(0, Done{Token: 1, Err: errors.New("disk")})
	x.expect(t, "reply 1 core reset after a failed append: disk", "reply 2 core reset after a failed append: disk")
	if !errors.Is(r.Failed(), ErrReset) || r.WakeAt() != 0 {
		t.Errorf("failed %v, wakes at %v", r.Failed(), r.WakeAt())
	}
	r.Step(0, Tick{})
	r.Step(0, Done{Token: 2})
	if len(c.seen) != 0 {
		t.Errorf("a dead core saw %q", c.seen)
	}
}

func TestRunnerRefusesTokenTwice(t *testing.T) {
	for _, token := range []Token{0, 1} {
		r, _, _ := newScripted()
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("token %d was taken twice", token)
				}
			}()
			r.Step(0, func(d *Duties) {
				d.Add(Append{Token: 1})
				d.Add(Append{Token: token})
			})
		}()
	}
}
