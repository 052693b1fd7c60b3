package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// run is one soak: the clients, and what they need of each other.
type run struct {
	h    *history
	seed uint64
	addr string
	// ctx ends when the clients should, and hurry some time after, when those that
	// have not must have their requests cut off.
	ctx, hurry context.Context
	clients    sync.WaitGroup
	streams    atomic.Uint64 // of the seed
	failed     func(format string, args ...any)
	slow       time.Duration // the longest pause between two bursts
	drained    drained
}

// rng is a source of its own for a client. Clients are started in one order.
func (r *run) rng() *rand.Rand { return rand.New(rand.NewPCG(r.seed, r.streams.Add(1))) }

// start runs a client, given its name, until it returns.
func (r *run) start(name string, client func(a *actor)) {
	a := &actor{run: r, name: name, rng: r.rng(), seqs: map[partition]int{}}
	r.clients.Go(func() { client(a) })
}

// over says whether the clients should end.
func (r *run) over() bool { return r.ctx.Err() != nil }

// actor is one client of the run.
type actor struct {
	*run
	name  string
	rng   *rand.Rand
	lives int // of clients
	txns  int
	n     int // records
	// broken counts the records of the transaction that were not acknowledged.
	broken atomic.Int64
	seqs   map[partition]int
}

// pause waits a random time up to d, or until the run is over.
func (a *actor) pause(d time.Duration) {
	select {
	case <-time.After(time.Duration(a.rng.Int64N(int64(d)))):
	case <-a.ctx.Done():
	}
}

// patient are the options of a client that outlives its node many times.
func (r *run) patient(opts ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(r.addr),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.Dialer(dial),
		kgo.AlwaysRetryEOF(),
		kgo.RequestRetries(1 << 20),
		kgo.RetryTimeout(2 * time.Minute),
		kgo.RetryBackoffFn(func(n int) time.Duration { return time.Duration(min(20*n, 200)) * time.Millisecond }),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.UnknownTopicRetries(-1),
		kgo.DisableClientMetrics(),
		kgo.FetchMaxWait(300 * time.Millisecond),
	}, opts...)
}

// dial waits for a node that is down: franz-go gives many requests up when their
// connection is refused.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	for {
		if c, err := d.DialContext(ctx, network, addr); err == nil || ctx.Err() != nil {
			return c, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// client is a new client of the actor.
func (a *actor) client(opts ...kgo.Opt) *kgo.Client {
	a.lives++
	cl, err := kgo.NewClient(a.patient(append([]kgo.Opt{kgo.ClientID(fmt.Sprintf("%s-%d", a.name, a.lives))}, opts...)...)...)
	if err != nil {
		panic(err) // options that do not go together
	}
	return cl
}

// outgoing is a record that is about to be sent.
type outgoing struct {
	in          partition
	key         string
	tombstone   bool
	exact       bool
	txn, source string
	large       bool
}

// make draws a record; its id is in a header, since a tombstone has no value.
func (a *actor) make(o outgoing) (*kgo.Record, *appended) {
	a.n++
	id := fmt.Sprintf("%s.%d", a.name, a.n)
	rec := &kgo.Record{Topic: real(o.in.Topic), Partition: o.in.Index, Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(id)}}}
	if o.key != "" {
		rec.Key = []byte(o.key)
	}
	if !o.tombstone {
		size := 20 + a.rng.IntN(300)
		if o.large {
			size = 40_000
		}
		rec.Value = make([]byte, size)
		for i := range rec.Value {
			rec.Value[i] = byte(a.rng.Uint32())
		}
	}
	who := fmt.Sprintf("%s-%d", a.name, a.lives)
	a.seqs[o.in]++
	return rec, &appended{ID: id, In: o.in, Sum: contentSum(rec), Key: o.key, Tombstone: o.tombstone, Producer: who, Seq: a.seqs[o.in],
		Exact: o.exact, Txn: o.txn, Source: o.source, Offset: -1}
}

// send has a client produce a record; the promise goes into the history.
func (a *actor) send(cl *kgo.Client, o outgoing) {
	rec, sent := a.make(o)
	begin := a.h.now()
	cl.Produce(a.hurry, rec, func(r *kgo.Record, err error) { a.promised(begin, sent, r, err) })
}

func (a *actor) promised(begin time.Duration, sent *appended, r *kgo.Record, err error) {
	if err == nil {
		sent.Offset = r.Offset
	} else {
		sent.Err = err.Error()
		a.broken.Add(1)
	}
	a.h.add(begin, event{Who: a.name, Append: sent})
	if err != nil && sent.Txn == "" && lostByItsWord(err) {
		a.h.add(begin, event{Who: a.name, Alarm: fmt.Sprintf("%s to %v: %v", sent.ID, sent.In, err)})
	}
}

// lostByItsWord says whether an error means that the node has forgotten something.
func lostByItsWord(err error) bool {
	var data *kgo.ErrDataLoss
	return errors.As(err, &data) || errors.Is(err, kerr.OutOfOrderSequenceNumber) || errors.Is(err, kerr.UnknownProducerID) ||
		errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.CorruptMessage) ||
		errors.Is(err, kerr.UnknownServerError) || errors.Is(err, kerr.InvalidRecord)
}

// flush waits until everything that was sent is acknowledged or given up.
func (a *actor) flush(cl *kgo.Client) {
	if err := cl.Flush(a.hurry); err != nil {
		a.failed("%s: what it sent was not acknowledged in time: %v", a.name, err)
	}
	cl.Close()
}
