package core

import (
	"errors"
	"fmt"
	"time"
)

// ErrReset is wrapped by what the waiting requests of a core get when one of its
// Appends failed: whether they happened is not known. The next core is built from
// what is committed.
var ErrReset = errors.New("core reset after a failed append")

// Executor starts the duties that a Runner releases. The calls come in the order
// of the duties and must neither block nor call the Runner; what became of a duty
// comes back later as an input of Runner.Step.
type Executor interface {
	// Append, Propose and Send start the duty. An Append or Propose is answered by
	// exactly one Done with its token, a Send with a token by at most one input.
	Append(Append)
	Propose(Propose)
	Send(Send)
	// Reply answers a request: with r.Response if err is nil, and else with err,
	// because the duty's token failed.
	Reply(r Reply, err error)
	// Do carries out Install and the duties of the core's own types.
	Do(duty any)
}

// Runner steps one core and keeps its duties in order. It is the part that both
// drivers share, so that the simulator tests the gating that production runs.
//
// The simple way is to carry out each duty as it is listed and let cores remember
// what waits for what. Then every core keeps its own table of held replies, and
// every one gets failure wrong differently. Here the table exists once:
//
//  1. Duties of one Step are released in order, but for those with After: they are
//     held until that token's Done, then released in the order they were added,
//     before the core sees the Done.
//  2. A token that is no longer pending counts as committed: a core that was told
//     of a failure does not name that token again.
//  3. If a Propose fails, what was held for it is dropped (a Reply becomes the
//     failure) and the core sees the Done with its error.
//  4. If an Append fails, everything held is dropped in the same way and the core
//     is dead: Failed says why, and it is never stepped again.
//
// One goroutine at a time uses a Runner.
type Runner struct {
	core    Core
	exec    Executor
	duties  Duties
	pending map[Token]bool // true for an Append
	held    map[Token][]Duty
	order   []Token // keys of held, in order of their first duty
	wakeAt  time.Duration
	failed  error
}

// NewRunner returns a Runner for a core that has been stepped by nobody else, or
// only with replay whose duties are spent.
func NewRunner(c Core, x Executor) *Runner {
	return &Runner{core: c, exec: x, pending: map[Token]bool{}, held: map[Token][]Duty{}}
}

// Step feeds one input to the core and releases what may be released. After a
// failed Append it does nothing.
func (r *Runner) Step(now time.Duration, in Input) {
	if r.failed != nil {
		return
	}
	if done, ok := in.(Done); ok && !r.settle(done) {
		return
	}
	r.duties.Reset()
	r.core.Step(now, in, &r.duties)
	r.wakeAt = r.duties.WakeAt
	for _, d := range r.duties.List {
		r.place(d)
	}
}

// WakeAt is when the core wants a Tick, as its last Step said; 0 is never.
func (r *Runner) WakeAt() time.Duration { return r.wakeAt }

// Pending is the number of Appends and Proposes that have no Done yet.
func (r *Runner) Pending() int { return len(r.pending) }

// Failed is why the core is dead, wrapping ErrReset, or nil.
func (r *Runner) Failed() error { return r.failed }

// place releases a duty or holds it back.
func (r *Runner) place(d Duty) {
	r.expect(d.Do)
	if _, waits := r.pending[d.After]; d.After == 0 || !waits {
		r.release(d.Do)
		return
	}
	if len(r.held[d.After]) == 0 {
		r.order = append(r.order, d.After)
	}
	r.held[d.After] = append(r.held[d.After], d)
}

// expect notes the token of a duty, held or not, so that others can wait for it.
func (r *Runner) expect(do any) {
	var token Token
	isAppend := false
	switch do := do.(type) {
	case Append:
		token, isAppend = do.Token, true
	case Propose:
		token = do.Token
	default:
		return
	}
	if _, twice := r.pending[token]; twice || token == 0 {
		panic(fmt.Sprintf("core %T used token %d twice or none at all", r.core, token))
	}
	r.pending[token] = isAppend
}

func (r *Runner) release(do any) {
	switch do := do.(type) {
	case Append:
		r.exec.Append(do)
	case Propose:
		r.exec.Propose(do)
	case Send:
		r.exec.Send(do)
	case Reply:
		r.exec.Reply(do, nil)
	default:
		r.exec.Do(do)
	}
}

// settle releases or drops what waited for a token. It reports whether the core
// may see the Done.
func (r *Runner) settle(done Done) bool {
	isAppend, known := r.pending[done.Token]
	if !known {
		return true // of a Send
	}
	delete(r.pending, done.Token)
	if done.Err != nil && isAppend {
		r.fail(fmt.Errorf("%w: %w", ErrReset, done.Err))
		return false
	}
	waiting := r.held[done.Token]
	r.forget(done.Token)
	for _, d := range waiting {
		if done.Err == nil {
			r.release(d.Do)
		} else {
			r.drop(d.Do, done.Err)
		}
	}
	return true
}

func (r *Runner) forget(t Token) {
	delete(r.held, t)
	for i, o := range r.order {
		if o == t {
			r.order = append(r.order[:i], r.order[i+1:]...)
			return
		}
	}
}

// drop gives up a held duty, and with it whatever waits for its token.
func (r *Runner) drop(do any, err error) {
	switch do := do.(type) {
	case Reply:
		r.exec.Reply(do, err)
	case Append:
		r.dropToken(do.Token, err)
	case Propose:
		r.dropToken(do.Token, err)
	}
}

func (r *Runner) dropToken(t Token, err error) {
	delete(r.pending, t)
	waiting := r.held[t]
	r.forget(t)
	for _, d := range waiting {
		r.drop(d.Do, err)
	}
}

func (r *Runner) fail(err error) {
	r.failed, r.wakeAt = err, 0
	for len(r.order) > 0 {
		r.dropToken(r.order[0], err)
	}
	clear(r.pending)
}
