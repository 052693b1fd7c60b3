package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is a connection to a node for requests that are encoded once and sent often: a
// client that costs next to nothing, so that on a small machine the node is not what
// waits.
type wire struct {
	nc  net.Conn
	in  *bufio.Reader
	buf []byte
}

func dialWire(addr string) (*wire, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{nc: nc, in: bufio.NewReaderSize(nc, 256<<10)}, nil
}

func (w *wire) close() { _ = w.nc.Close() }

// frame is a request as it is sent.
func frame(req kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 0)
}

// ask sends a request and waits for its response.
func (w *wire) ask(req kmsg.Request) (kmsg.Response, error) {
	if _, err := w.nc.Write(frame(req)); err != nil {
		return nil, err
	}
	return w.answer(req)
}

// answer is the response to req, which was sent.
func (w *wire) answer(req kmsg.Request) (kmsg.Response, error) {
	n, err := w.size()
	if err != nil {
		return nil, err
	}
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	b := w.buf[:n]
	if _, err := io.ReadFull(w.in, b); err != nil {
		return nil, err
	}
	skip := 4
	if req.IsFlexible() {
		skip++ // the header's tags
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if len(b) < skip {
		return nil, io.ErrUnexpectedEOF
	}
	if err := resp.ReadFrom(b[skip:]); err != nil {
		return nil, err
	}
	return resp, refusalOf(resp)
}

// size reads the length of a response.
func (w *wire) size() (int, error) {
	head, err := w.in.Peek(4)
	if err != nil {
		return 0, err
	}
	_, err = w.in.Discard(4)
	return int(int32(binary.BigEndian.Uint32(head))), err
}

// repeat sends a request so many times, with some of them under way at any time, and
// looks at the first answer; the others must be as long.
func (w *wire) repeat(req kmsg.Request, times, underway int) error {
	resp, err := w.ask(req)
	if err != nil {
		return err
	}
	length := len(resp.AppendTo(nil))
	f := frame(req)
	for sent, got := 1, 1; got < times; got++ {
		for ; sent < min(times, got+underway); sent++ {
			if _, err := w.nc.Write(f); err != nil {
				return err
			}
		}
		n, err := w.size()
		if err != nil {
			return err
		}
		if n < length {
			return fmt.Errorf("answer %d has %d bytes, the first had %d", got, n, length)
		}
		if _, err := w.in.Discard(n); err != nil {
			return err
		}
	}
	return nil
}

// refusalOf is the first error in a response of those that the loads ask for.
func refusalOf(resp kmsg.Response) error {
	var codes []int16
	switch r := resp.(type) {
	case *kmsg.ProduceResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	case *kmsg.FetchResponse:
		codes = append(codes, r.ErrorCode)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	case *kmsg.CreateTopicsResponse:
		for _, t := range r.Topics {
			codes = append(codes, t.ErrorCode)
		}
	case *kmsg.JoinGroupResponse:
		codes = append(codes, r.ErrorCode)
	case *kmsg.SyncGroupResponse:
		codes = append(codes, r.ErrorCode)
	case *kmsg.HeartbeatResponse:
		codes = append(codes, r.ErrorCode)
	default:
		return errors.New("no load asks for this")
	}
	for _, code := range codes {
		if err := kerr.ErrorForCode(code); err != nil {
			return fmt.Errorf("%s: %w", kmsg.NameForKey(resp.Key()), err)
		}
	}
	return nil
}
