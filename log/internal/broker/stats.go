package broker

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/metrics"
)

// stats is what the broker has counted since it was made. Nothing of it is allocated
// per request: all counters are there from the start or from the first use, and
// adding to one is an atomic addition.
type stats struct {
	keys   map[int16]*keyStats // by API key; never changed
	topics topicTable

	mu        sync.Mutex
	listeners map[string]*listenerStats // guarded by mu; by name
}

// keyStats is what was counted of one API key.
type keyStats struct {
	took                      metrics.Histogram
	bytesIn, bytesOut         atomic.Int64
	throttled, throttledNanos atomic.Int64
	errors                    atomic.Pointer[errorCounts]
}

// errorCounts are counters by error code, from -1 on. Codes beyond are counted as -1.
type errorCounts [256]atomic.Int64

// listenerStats is what was counted of one listener.
type listenerStats struct {
	open                                atomic.Int64
	accepted, failed                    atomic.Int64
	tooMany, tooManyOfAddress, tooOften atomic.Int64
	strangers                           atomic.Int64
	gaveWay, tooManyStrangers           atomic.Int64
}

func newStats(handlers map[int16]*handler) *stats {
	s := &stats{keys: map[int16]*keyStats{}, listeners: map[string]*listenerStats{}}
	for key := range handlers {
		s.keys[key] = &keyStats{}
	}
	return s
}

// listener is the counters of a listener; who asks keeps them.
func (s *stats) listener(name string) *listenerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listeners[name]
	if l == nil {
		l = &listenerStats{}
		s.listeners[name] = l
	}
	return l
}

func (k *keyStats) fault(f fault) {
	counts := k.errors.Load()
	if counts == nil {
		k.errors.CompareAndSwap(nil, new(errorCounts))
		counts = k.errors.Load()
	}
	i := int(f.code) + 1
	if i < 0 || i >= len(counts) {
		i = 0
	}
	counts[i].Add(int64(f.count))
}

// observe counts a request that was answered, with a response of so many bytes or
// with none, and writes down what it was refused.
func (c *call) observe(key int16, resp kmsg.Response, bytesOut int) {
	k := c.stats.keys[key]
	k.took.Observe(time.Since(c.began))
	k.bytesIn.Add(int64(c.bytesIn))
	k.bytesOut.Add(int64(bytesOut))
	if c.delay > 0 {
		k.throttled.Add(1)
		k.throttledNanos.Add(int64(c.delay))
	}
	if resp == nil {
		return
	}
	for _, f := range faultsOf(resp) {
		k.fault(f)
		c.refuse(resp, f)
	}
}

// Stats is what a broker has counted since it was made, and what it holds now.
type Stats struct {
	// Keys are the API keys that were asked, by number.
	Keys []KeyStats
	// Listeners are those that connections came to, by name.
	Listeners []ListenerStats
	// Topics are the topics that were written or read, the busiest that there was room
	// for by name, and the rest as one.
	Topics []TopicStats
	// Budgets are the memories that requests share.
	Budgets []Budget
	// QuotaEntities is how many entities have quotas.
	QuotaEntities int
}

// KeyStats is what was counted of one API key.
type KeyStats struct {
	Key               int16
	Took              metrics.Durations
	BytesIn, BytesOut int64
	// Throttled is how many requests were answered with a throttle time, and
	// ThrottledFor how long those times were together.
	Throttled    int64
	ThrottledFor time.Duration
	// Errors are the codes in responses.
	Errors []ErrorCount
}

// ErrorCount is how often an error was answered, by Kafka's name.
type ErrorCount struct {
	Name  string
	Count int64
}

// ListenerStats is what was counted of one listener.
type ListenerStats struct {
	Name string
	// Open is how many connections are open now.
	Open int64
	// Accepted is how many were served, Failed how many of them ended by a fault of
	// the client or the network.
	Accepted, Failed int64
	// TooMany, TooManyOfAddress and TooOften were closed unserved: beyond the number
	// of connections of the node or of the address, or beyond the address's quota.
	TooMany, TooManyOfAddress, TooOften int64
	// Strangers is how many of the open connections have not come in yet. GaveWay were
	// closed before they had, to make room for others, and TooManyStrangers unserved,
	// because nobody gave way to them.
	Strangers, GaveWay, TooManyStrangers int64
}

// Budget is a memory that requests share.
type Budget struct {
	Name           string
	Used, Capacity int64
	Waiting        int
}

// Stats reads what was counted. It takes no lock that requests hold for longer than
// an addition.
func (b *Broker) Stats() Stats {
	s := Stats{Topics: b.stats.topics.read(b.image()), QuotaEntities: b.image().Quotas().Len()}
	for _, key := range slices.Sorted(maps.Keys(b.stats.keys)) {
		if k := b.stats.keys[key].read(key); k.Took.Count > 0 {
			s.Keys = append(s.Keys, k)
		}
	}
	b.stats.mu.Lock()
	defer b.stats.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(b.stats.listeners)) {
		l := b.stats.listeners[name]
		s.Listeners = append(s.Listeners, ListenerStats{
			Name: name, Open: l.open.Load(), Accepted: l.accepted.Load(), Failed: l.failed.Load(),
			TooMany: l.tooMany.Load(), TooManyOfAddress: l.tooManyOfAddress.Load(), TooOften: l.tooOften.Load(),
			Strangers: l.strangers.Load(), GaveWay: l.gaveWay.Load(), TooManyStrangers: l.tooManyStrangers.Load(),
		})
	}
	s.Budgets = []Budget{b.requestMemory.budget("request"), b.decodeMemory.budget("decode"), b.responseMemory.budget("response")}
	return s
}

func (k *keyStats) read(key int16) KeyStats {
	s := KeyStats{
		Key: key, Took: k.took.Read(), BytesIn: k.bytesIn.Load(), BytesOut: k.bytesOut.Load(),
		Throttled: k.throttled.Load(), ThrottledFor: time.Duration(k.throttledNanos.Load()),
	}
	if counts := k.errors.Load(); counts != nil {
		for i := range counts {
			if n := counts[i].Load(); n > 0 {
				s.Errors = append(s.Errors, ErrorCount{errorName(int16(i - 1)), n})
			}
		}
	}
	return s
}

func (m *memory) budget(name string) Budget {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Budget{name, m.capacity - m.free, m.capacity, len(m.waiting)}
}
