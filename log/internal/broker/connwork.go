package broker

import (
	"context"
	"fmt"
)

// worker decodes the requests of a connection and handles them, one after the other.
type worker struct {
	*conn
	login   *login // nil if the listener has no SASL
	arrived bool   // the reader knows that the client is inside, or need not know
	limited limited
}

// work handles what was read. After a request that has no answer it handles no other.
func (w *worker) work() {
	defer close(w.replies)
	over := false
	for f := range w.requests {
		if over || w.replying.Err() != nil {
			f.loan.release()
			continue
		}
		r, err := w.handle(f)
		w.pace.done()
		switch {
		case err == nil:
			r.progress = w.progressed()
			w.replies <- r
			over = r.answer.last
		case w.b.open.Err() != nil:
			over = true // the node closes: what was answered before still leaves
		default:
			w.fail(err)
		}
	}
}

// progressed is what the reader of a client that was not inside has to know of a
// request that was handled; nil once it knows that the client is inside.
func (w *worker) progressed() *loginProgress {
	if w.arrived {
		return nil
	}
	w.arrived = w.login.state == inside
	return &loginProgress{inside: w.arrived, raw: w.login.raw && w.login.state == choosing}
}

// patience is how long a request of now is worth handling: while somebody wants its
// answer, and of a client that is not inside while it has time to come in.
func (w *worker) patience() (context.Context, context.CancelFunc) {
	if !w.arrived {
		return context.WithDeadlineCause(w.handling, w.arriveBy, errArrival)
	}
	return w.handling, func() {}
}

// handle decodes and handles one request and ends the frame's life.
func (w *worker) handle(f frame) (reply, error) {
	defer f.loan.release()
	defer w.b.dropBuffer(f.rest)
	ctx, cancel := w.patience()
	defer cancel()
	if f.raw {
		return w.rawToken(ctx, f.rest)
	}
	if w.login != nil {
		if err := w.login.check(f.key, f.came); err != nil {
			return reply{}, fmt.Errorf("%s: %w", f.name(), err)
		}
	}
	caller := *w.caller.Load()
	r := reply{
		call:        &call{Broker: w.b, caller: &caller, login: w.login, began: f.came, bytesIn: 4 + f.size},
		correlation: f.correlation,
		key:         f.key,
		version:     f.version,
	}
	if f.key == keyApiVersions && f.version > w.b.MaxVersion(keyApiVersions) {
		r.answer.now = unsupportedApiVersions(w.b.level())
		return r, nil
	}
	var err error
	if r.answer, err = w.decodeAndHandle(ctx, f, r.call); err != nil {
		r.call.releaseLoans()
		return reply{}, fmt.Errorf("%s version %d: %w", f.name(), f.version, err)
	}
	if !w.arrived { // what takes its answer slowly holds little meanwhile
		r.call.req = nil
		r.call.loans[0].shrink(defaultAnswerBytes)
	}
	if f.key == keySaslAuthenticate && w.login != nil && w.login.state == inside {
		w.entered(caller.ClientID)
	}
	w.pace.mute.add(r.call.delay)
	w.pace.held.Store(r.call.delay > 0 || w.limited.is(w.b.image().Quotas(), &caller))
	return r, nil
}

// decodeAndHandle pays for what the frame decodes to and for its answer, decodes it
// and handles it.
func (w *worker) decodeAndHandle(ctx context.Context, f frame, call *call) (answer, error) {
	walked, err := f.walk(f.rest)
	if err != nil {
		return answer{}, err
	}
	call.caller.ClientID = walked.clientID
	l, err := w.reserve(ctx, w.b.handlers[f.key].price(walked.weight))
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

// reserve pays for a request and its answer, a stranger's as its frame was paid for.
func (w *worker) reserve(ctx context.Context, size int64) (loan, error) {
	switch {
	case w.arrived:
		// A peer that is gone may have sent a Produce without acknowledgement before.
		return w.b.decodeMemory.take(w.replying, size)
	case size <= freeForStrangers:
		return loan{}, nil
	}
	return w.b.arrivalDecodeMemory.take(ctx, size)
}
