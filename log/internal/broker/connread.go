package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// reader is the reading side of a connection. It looks at the first bytes of a frame,
// refuses what is not worth reading, has the rest paid for and reads it.
type reader struct {
	*conn
	in       *bufio.Reader
	stranger bool // the client is not inside
	rawNext  bool // the next frame is a token
	frames   int64
}

// read reads frames until there is nothing more to read.
func (r *reader) read() {
	defer close(r.requests)
	defer r.stopHandling()
	for {
		f, err := r.readFrame()
		if err != nil {
			if !r.over(err) {
				r.fail(err)
			}
			return // what was read is still handled
		}
		r.frames++
		if r.stranger {
			r.place.clientsTurn(false)
		}
		select {
		case r.requests <- f:
		case <-r.replying.Done():
			f.loan.release()
			return
		}
		if r.stranger && !r.awaitLogin() {
			return
		}
	}
}

// awaitLogin waits until the frame of a client that is not inside is answered; false if
// there is nothing more to read. Until the client is inside, or is too late, the reader
// asks for every frame how it went; it is told by the writer, when the answer has left.
func (r *reader) awaitLogin() bool {
	select {
	case p := <-r.progress:
		r.stranger, r.rawNext = !p.inside, p.raw
		r.place.clientsTurn(true)
		return true
	case <-r.handling.Done():
		return false
	}
}

func (r *reader) readFrame() (frame, error) {
	r.deadline(r.pace.patience(r.b.opts.Limits.Idle))
	p, err := r.readPrefix()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errIdle
			if r.stranger {
				err = errArrival
			}
		}
		return frame{}, err
	}
	r.pace.wait(r.frames, r.replying.Done(), r.b.open.Done())
	l, err := r.reserve(p.size)
	if err != nil {
		return frame{}, fmt.Errorf("reserve memory for a request: %w", err)
	}
	f := frame{prefix: p, raw: r.rawNext, loan: l}
	if f.raw {
		f.rest = takeBuffer(p.size)
	} else {
		f.rest = takeBuffer(p.rest())
	}
	if err := r.readBody(f.rest); err != nil {
		f.loan.release()
		return frame{}, fmt.Errorf("read a %s request of %d bytes: %w", p.name(), p.size, err)
	}
	f.came = time.Now()
	return f, nil
}

// readPrefix reads the first bytes of a frame and refuses what is not worth reading.
func (r *reader) readPrefix() (prefix, error) {
	if r.rawNext {
		return readTokenPrefix(r.in)
	}
	p, err := readPrefix(r.in)
	if err != nil {
		return p, err
	}
	return p, p.check(r.b.level(), &r.b.opts.Limits, r.stranger)
}

// reserve pays for a frame. A stranger pays from another budget, and does not wait
// for longer than there is time to come in. What is small is free: there are only so
// many strangers, and those who announce large tokens and do not send them must not
// keep the others waiting.
func (r *reader) reserve(size int) (loan, error) {
	switch {
	case !r.stranger:
		return r.b.requestMemory.take(r.handling, int64(size))
	case size <= freeForStrangers:
		return loan{}, nil
	}
	ctx, cancel := context.WithDeadlineCause(r.handling, r.arriveBy, errArrival)
	defer cancel()
	l, err := r.b.arrivalMemory.take(ctx, int64(size))
	if err != nil && context.Cause(ctx) == errArrival {
		err = errArrival
	}
	return l, err
}

// freeForStrangers is more than any mechanism's token of an honest client, and more
// than that decodes to.
const freeForStrangers = 4 << 10

const chunkBytes = 256 << 10

// readAhead is what is read at once of small frames, before anybody has paid for it: a
// heartbeat costs one call of the system, not two, and five that come together cost one.
// Of large frames what is not among the first of these bytes is read where it belongs.
const readAhead = 1 << 10

// readBody reads a frame's bytes as long as they keep coming.
func (r *reader) readBody(rest []byte) error {
	limits := &r.b.opts.Limits
	end := time.Now().Add(limits.FrameTime)
	for len(rest) > 0 {
		if len(rest) > r.in.Buffered() {
			r.deadline(min(limits.ChunkTime, time.Until(end)))
		}
		n, err := io.ReadFull(r.in, rest[:min(len(rest), chunkBytes)])
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// deadline sets the time for the next read. The broker's closing must not be
// overwritten by it.
func (r *reader) deadline(d time.Duration) {
	if r.stranger {
		d = min(d, time.Until(r.arriveBy))
	}
	_ = r.nc.SetReadDeadline(time.Now().Add(d))
	if r.b.open.Err() != nil {
		_ = r.nc.SetReadDeadline(time.Unix(1, 0))
	}
}
