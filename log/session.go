package log

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/broker"
)

// SessionOptions says who stands behind a Session. The zero value is an
// anonymous client of this process.
type SessionOptions struct {
	// ClientID is what a client would send in every request header.
	ClientID string
	// Principal is who the session acts as; "" means User:ANONYMOUS.
	Principal string
	// Listener names the listener in logs; "" means "session".
	Listener string
}

// Session stands where a client's connection stands, in the process of the node:
// no socket, no encoding, no copy. It satisfies log/client's Cluster, and no
// handler can tell it from a connection.
//
// A Session may be used concurrently and promises no order between concurrent
// calls. Calls block as they would over the wire (Fetch, JoinGroup). Request
// bytes are borrowed until the call returns and never written to; response bytes
// are the caller's to keep, immutable and perhaps shared. Both methods set the
// request's version to the highest that this node serves; callers fill topic
// names and topic ids alike.
//
// A Session needs no Close; after the node's Close every call fails with
// ErrClosed.
type Session struct {
	node   *Node
	caller broker.Caller
}

// Session returns a new Session.
func (n *Node) Session(o SessionOptions) *Session {
	if o.Principal == "" {
		o.Principal = "User:ANONYMOUS"
	}
	if o.Listener == "" {
		o.Listener = "session"
	}
	return &Session{node: n, caller: broker.Caller{
		ClientID: o.ClientID, Principal: o.Principal, Host: inProcess, Listener: o.Listener,
	}}
}

// Request answers req as the controller, the coordinator or any broker would. On
// a node that is a cluster of one, that is always this node. Produce and Fetch
// concern one broker and are refused here: use Broker.
func (s *Session) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	switch req.(type) {
	case *kmsg.ProduceRequest, *kmsg.FetchRequest:
		return nil, fmt.Errorf("%s goes to a partition's leader: use Broker", kmsg.NameForKey(req.Key()))
	}
	return s.do(ctx, req)
}

// Broker is the broker with that id. Requests to one that is not in the cluster
// fail.
func (s *Session) Broker(id int32) kmsg.Requestor { return sessionBroker{s, id} }

// sessionBroker is one broker as a Session sees it.
type sessionBroker struct {
	session *Session
	id      int32
}

// Request asks the broker once.
func (b sessionBroker) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	if b.id != b.session.node.opts.NodeID {
		return nil, fmt.Errorf("%s: there is no broker %d in this cluster", kmsg.NameForKey(req.Key()), b.id)
	}
	return b.session.do(ctx, req)
}

func (s *Session) do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	caller := s.caller
	caller.Reached = s.node.endpoint()
	version := s.node.broker.MaxVersion(req.Key())
	if version < 0 {
		return nil, fmt.Errorf("%s (key %d) is not served", kmsg.NameForKey(req.Key()), req.Key())
	}
	req.SetVersion(version)
	resp, err := s.node.broker.Do(ctx, &caller, req)
	if err == nil && resp == nil { // acks=0
		resp = req.ResponseKind()
	}
	return resp, err
}
