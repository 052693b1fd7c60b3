package fakecluster

import (
	"reflect"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ControlFn sees a request before the node does. If handled is true its response
// goes to the client (none at all if that is nil), or err closes the connection, and
// the function is taken off; otherwise the next function sees the request, and in
// the end the node.
type ControlFn = func(req kmsg.Request) (resp kmsg.Response, err error, handled bool)

// controls are the functions and faults of a cluster. They run one at a time, in the
// order in which they were added; a function may add others.
type controls struct {
	running sync.Mutex // held while functions run, so that they need no locks of their own

	mu     sync.Mutex // guards what follows, never held over a call of a function
	fns    []*control
	faults []*fault
}

type control struct {
	key int16 // -1 for all
	fn  ControlFn
}

type fault struct {
	Fault
	left int // -1 without end
}

// Fault fails requests instead of the node answering them.
type Fault struct {
	// Keys are the requests that may fail; nil means all. Only responses that have
	// an error code for the whole can be failed.
	Keys []kmsg.Key
	// Err is the error; nil means UNKNOWN_SERVER_ERROR.
	Err *kerr.Error
	// Count is how many requests fail; 0 means one, negative means all to come.
	Count int
	// When says of a request whether it is meant; nil means yes.
	When func(kmsg.Request) bool
}

// ControlKey calls fn for every request with that key, -1 for all keys, until fn
// has handled one.
func (c *Cluster) ControlKey(key int16, fn ControlFn) {
	c.controls.mu.Lock()
	defer c.controls.mu.Unlock()
	c.controls.fns = append(c.controls.fns, &control{key, fn})
}

// Fault installs a fault. Functions of ControlKey come before it.
func (c *Cluster) Fault(f Fault) {
	left := f.Count
	if left == 0 {
		left = 1
	}
	c.controls.mu.Lock()
	defer c.controls.mu.Unlock()
	c.controls.faults = append(c.controls.faults, &fault{f, left})
}

// handle asks all that are installed about a request.
func (cs *controls) handle(req kmsg.Request) (kmsg.Response, error, bool) {
	cs.running.Lock()
	defer cs.running.Unlock()
	cs.mu.Lock()
	fns, faults := slices.Clone(cs.fns), slices.Clone(cs.faults)
	cs.mu.Unlock()
	for _, c := range fns {
		if c.key != -1 && c.key != req.Key() {
			continue
		}
		if resp, err, handled := c.fn(req); handled {
			cs.mu.Lock()
			cs.fns = slices.DeleteFunc(cs.fns, func(o *control) bool { return o == c })
			cs.mu.Unlock()
			return resp, err, true
		}
	}
	for _, f := range faults {
		if resp := f.answer(req); resp != nil {
			return resp, nil, true
		}
	}
	return nil, nil, false
}

// answer is the failed response to a request that the fault means, or nil.
func (f *fault) answer(req kmsg.Request) kmsg.Response {
	if f.left == 0 || f.Keys != nil && !slices.Contains(f.Keys, kmsg.Key(req.Key())) || f.When != nil && !f.When(req) {
		return nil
	}
	if f.left > 0 {
		f.left--
	}
	resp := req.ResponseKind()
	code := int64(kerr.UnknownServerError.Code)
	if f.Err != nil {
		code = int64(f.Err.Code)
	}
	reflect.ValueOf(resp).Elem().FieldByName("ErrorCode").SetInt(code)
	return resp
}
