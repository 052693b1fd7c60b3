package fakecluster

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxFrame bounds a request or response; clients of tests send nothing near it.
const maxFrame = 128 << 20

// relay passes frames between clients and the node. For each connection there is one
// to the node. Requests are read in order and either answered by a control or
// passed on; answers leave in the order of the requests, as a broker's do.
type relay struct {
	front    net.Listener
	controls *controls
	back     string // the node's address
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]struct{}
	closed bool
}

func newRelay(front net.Listener, cs *controls) *relay {
	return &relay{front: front, controls: cs, conns: make(map[net.Conn]struct{})}
}

func (r *relay) addr() string { return r.front.Addr().String() }

// serve accepts clients until close.
func (r *relay) serve(back string) {
	r.back = back
	r.running.Go(func() {
		for {
			client, err := r.front.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.pass(client) })
		}
	})
}

// close cuts every connection and waits for what served them.
func (r *relay) close() {
	_ = r.front.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.running.Wait()
}

// hold keeps a connection where close finds it; false means that it came too late.
func (r *relay) hold(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.conns[c] = struct{}{}
	return true
}

func (r *relay) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	_ = c.Close()
}

// reply is what stands in a connection's line of answers: a frame of a control, or
// nil for one that the node is going to send.
type reply struct{ frame []byte }

// pass serves one client until either side hangs up.
func (r *relay) pass(client net.Conn) {
	defer r.drop(client)
	if !r.hold(client) {
		return
	}
	node, err := net.Dial("tcp", r.back)
	if err != nil {
		return
	}
	defer r.drop(node)
	if !r.hold(node) {
		return
	}
	line := make(chan reply, 1024)
	var answering sync.WaitGroup
	answering.Go(func() {
		_ = answers(client, node, line)
		_ = client.Close() // so that the reader ends too
		for range line {
		}
	})
	_ = r.requests(client, node, line)
	close(line)
	_ = node.Close()
	answering.Wait()
}

// requests reads what the client sends and passes it on or has it answered.
func (r *relay) requests(client, node net.Conn, line chan<- reply) error {
	in := bufio.NewReader(client)
	for {
		frame, err := readFrame(in)
		if err != nil {
			return err
		}
		req, correlation, err := parse(frame[4:])
		if err != nil {
			return err
		}
		resp, err, handled := r.controls.handle(req)
		switch {
		case err != nil:
			return err
		case handled && resp != nil:
			line <- reply{encode(resp, req.GetVersion(), correlation)}
		case !handled:
			if p, ok := req.(*kmsg.ProduceRequest); !ok || p.Acks != 0 {
				line <- reply{}
			}
			if _, err := node.Write(frame); err != nil {
				return err
			}
		}
	}
}

// answers writes to the client in the line's order.
func answers(client, node net.Conn, line <-chan reply) error {
	from := bufio.NewReader(node)
	for r := range line {
		if r.frame == nil {
			var err error
			if r.frame, err = readFrame(from); err != nil {
				return err
			}
		}
		if _, err := client.Write(r.frame); err != nil {
			return err
		}
	}
	return nil
}

// readFrame reads a frame with its four bytes of length.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes is over %d", n, maxFrame)
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// parse decodes a request frame without its length.
func parse(body []byte) (req kmsg.Request, correlation int32, err error) {
	b := kbin.Reader{Src: body}
	key, version := b.Int16(), b.Int16()
	correlation = b.Int32()
	b.NullableString() // the client's id
	if req = kmsg.RequestForKey(key); req == nil {
		return nil, 0, fmt.Errorf("there is no request with key %d", key)
	}
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&b)
	}
	if err := b.Complete(); err != nil {
		return nil, 0, err
	}
	return req, correlation, req.ReadFrom(b.Src)
}

// encode is a response's frame.
func encode(resp kmsg.Response, version int16, correlation int32) []byte {
	resp.SetVersion(version)
	frame := kbin.AppendInt32(make([]byte, 4), correlation)
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		frame = append(frame, 0) // no tags
	}
	frame = resp.AppendTo(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}
