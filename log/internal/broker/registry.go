package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// spec describes one API key. Each key has a file of its own that registers it;
// nothing else knows the keys, so that adding one touches no central file.
type spec struct {
	key int16
	// levels are the advertised versions from each feature level on, rising.
	levels []levelRange
	// served is the lowest version that is answered, where a lower one has to be
	// advertised.
	served int16
	// clients is the highest version that clients use, where those above are for
	// brokers; 0 means that all are for clients.
	clients int16
	// answerBytes is what answering one element of the request's arrays takes at most:
	// what the handler and the response allocate for it. 0 means defaultAnswerBytes.
	answerBytes int64
	// changes says what each version brought, lowest first.
	changes []change
	// deviations are differences from Apache Kafka that a client could notice.
	deviations []string
}

// levelRange is what a key advertises from a feature level on.
type levelRange struct {
	level    int16
	min, max int16
}

// defaultAnswerBytes is generous for a few numbers and a name, their encoding, and
// what a handler has to remember.
const defaultAnswerBytes = 1 << 10

// price is what a request takes besides its frame, from its decoding until its
// answer has left.
func (s *spec) price(w weight) int64 {
	each := s.answerBytes
	if each == 0 {
		each = defaultAnswerBytes
	}
	return w.cost + w.elements*each
}

type change struct {
	version int16
	text    string
}

// handler is a registered key.
type handler struct {
	spec
	handle func(context.Context, *call, kmsg.Request) (answer, error)
}

// answer is what a handler has to say: now, later, or nothing at all (a Produce
// with acks=0).
type answer struct {
	now kmsg.Response
	// later waits for what the answer depends on. It is called once, and never
	// before the answers of the connection's earlier requests are given. When its
	// context ends it returns at once, with an error code in the response.
	later func(context.Context) kmsg.Response
	// last is that the connection is closed behind this answer.
	last bool
}

var registered = map[int16]*handler{}

// register adds a key whose requests are answered when the handler returns. An
// error closes the connection; errors that the protocol has a code for belong
// into the response.
func register[R kmsg.Request](s spec, handle func(context.Context, *call, R) (kmsg.Response, error)) {
	registerLater(s, func(ctx context.Context, c *call, req R) (answer, error) {
		resp, err := handle(ctx, c, req)
		return answer{now: resp}, err
	})
}

// registerLater adds a key whose answers may come after the handler has returned,
// so that the connection's next request is handled meanwhile.
func registerLater[R kmsg.Request](s spec, handle func(context.Context, *call, R) (answer, error)) {
	if registered[s.key] != nil {
		panic(fmt.Sprintf("broker: key %d is registered twice", s.key))
	}
	registered[s.key] = &handler{s, func(ctx context.Context, c *call, req kmsg.Request) (answer, error) {
		return handle(ctx, c, req.(R))
	}}
}

// handlers are the registered keys in order.
func handlers() []*handler {
	var hs []*handler
	for _, k := range slices.Sorted(maps.Keys(registered)) {
		hs = append(hs, registered[k])
	}
	return hs
}

// Range is an API key with the versions that are advertised for it.
type Range struct{ Key, Min, Max int16 }

// Ranges are the advertised versions at a feature level, ordered by key. They
// depend on the level alone: clients ask one broker and hold the answer for true
// on every other.
func Ranges(level int16) []Range {
	var rs []Range
	for _, h := range handlers() {
		if r, ok := h.at(level); ok {
			rs = append(rs, Range{h.key, r.min, r.max})
		}
	}
	return rs
}

// at is what the key advertises at a feature level; false if it is not there yet.
func (s *spec) at(level int16) (r levelRange, ok bool) {
	for _, l := range s.levels {
		if l.level <= level {
			r, ok = l, true
		}
	}
	return r, ok
}

// maxVersion is the highest version of a key that clients use at a feature level,
// or -1 if the key is not served.
func maxVersion(level, key int16) int16 {
	h := registered[key]
	if h == nil {
		return -1
	}
	r, ok := h.at(level)
	switch {
	case !ok:
		return -1
	case h.clients > 0:
		return min(r.max, h.clients)
	}
	return r.max
}
