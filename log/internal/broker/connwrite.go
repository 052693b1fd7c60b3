package broker

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// writer is the writing side of a connection. It takes the answers in the order of the
// requests, waits for each until it is there, and sends it.
type writer struct {
	*conn
	buf []byte // for the next response
}

// write takes every reply, also when it can send none any more: who holds memory for it
// gets that back, and records were appended whether or not their producer hears of it.
func (w *writer) write() {
	for r := range w.replies {
		err := w.answer(r)
		switch {
		case err == nil && r.answer.last:
			err = errLast
		case err == nil:
			w.tellProgress(r.progress)
		}
		if err != nil && w.replying.Err() == nil {
			w.fail(err)
		}
	}
}

// answer waits for one answer, sends it, gives back what it took and counts it.
func (w *writer) answer(r reply) error {
	if r.token != nil {
		return w.sendToken(r.token)
	}
	resp, err := r.call.finish(w.replying, r.answer, r.version)
	var sent int64
	if err == nil && resp != nil && w.replying.Err() == nil {
		if sent, err = w.sendResponse(resp, r.correlation); err != nil {
			err = fmt.Errorf("write a %s response: %w", kmsg.NameForKey(resp.Key()), err)
		}
	}
	r.call.releaseLoans()
	if err == nil {
		r.call.observe(r.key, resp, int(sent))
	}
	return err
}

func (w *writer) sendResponse(resp kmsg.Response, correlation int32) (sent int64, err error) {
	var f net.Buffers
	f, w.buf = encode(w.buf, correlation, resp)
	if cap(w.buf) > maxKeptReply {
		w.buf = nil
	}
	return w.send(f)
}

// sendToken answers a token that came without a request's header in the same way.
func (w *writer) sendToken(token []byte) error {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(token)))
	if _, err := w.send(net.Buffers{append(frame, token...)}); err != nil {
		return fmt.Errorf("write a SASL token: %w", err)
	}
	return nil
}

// send writes a frame. TLS makes a record of each piece that it is given, so pieces
// are gathered for it.
func (w *writer) send(f net.Buffers) (int64, error) {
	_ = w.nc.SetWriteDeadline(time.Now().Add(w.b.opts.Limits.FrameTime))
	switch {
	case len(f) == 1:
		n, err := w.nc.Write(f[0])
		return int64(n), err
	case w.encrypted:
		return gather(w.nc, f)
	}
	return f.WriteTo(w.nc)
}

// tellProgress lets the reader go on. The channel has room: the reader takes a value for
// each frame until it gets one that says inside.
func (w *writer) tellProgress(p *loginProgress) {
	if p != nil {
		w.progress <- *p
	}
}
