package differential

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// generations are clients of several years: one speaks the encodings that another has
// forgotten.
var generations = []*kversion.Versions{kversion.V1_0_0(), kversion.V2_3_0(), kversion.V2_8_0(), kversion.V3_6_0(), kversion.V4_0_0()}

// newest is the index of the newest generation.
const newest = 4

// side is one of the brokers, and what the sequence has to remember of its answers.
type side struct {
	name    string
	t       *testing.T
	clients []*kgo.Client // by generation
	broker  int32

	topics    map[string][16]byte // ids of those that were created
	producers map[string]*producer
	members   map[string]*member // the one member of each group
	pids      map[int64]int      // producer ids in the order in which they appeared
	written   map[string]bool    // partitions to which an epoch of a producer has written
	open      map[string]bool    // transactions with something in them
}

type producer struct {
	id    int64
	epoch int16
}

type member struct {
	id         string
	generation int32
	protocol   string // that its last join settled on
}

func newSide(ctx context.Context, t *testing.T, name, addr string) *side {
	t.Helper()
	s := &side{name: name, t: t, topics: map[string][16]byte{}, producers: map[string]*producer{}, members: map[string]*member{}, pids: map[int64]int{},
		written: map[string]bool{}, open: map[string]bool{}}
	for _, g := range generations {
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.MaxVersions(g), kgo.RequestRetries(0), kgo.ClientID("differential"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		s.clients = append(s.clients, cl)
	}
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, s.clients[newest])
	if err != nil {
		t.Fatal(err)
	}
	s.broker = meta.Brokers[0].NodeID
	s.create(ctx, newest, "keep", 1, 1, false)
	for _, g := range groups {
		s.keep(ctx, g)
	}
	return s
}

// ask sends a request to the broker as a client of a generation does.
func ask[R kmsg.Response](ctx context.Context, s *side, generation int, req kmsg.Request) (resp R, err error) {
	if err := s.clients[generation].Ping(ctx); err != nil { // so that it knows the broker
		return resp, err
	}
	r, err := s.clients[generation].Broker(int(s.broker)).Request(ctx, req)
	if err != nil {
		return resp, err
	}
	return r.(R), nil
}

// code is an error code's name.
func code(c int16) string {
	if c == 0 {
		return "ok"
	}
	if k, ok := kerr.ErrorForCode(c).(*kerr.Error); ok {
		return k.Message
	}
	return fmt.Sprint("error ", c)
}

// pid names a producer id by the order in which ids appeared.
func (s *side) pid(id int64) string {
	if id < 0 {
		return fmt.Sprint(id)
	}
	if _, ok := s.pids[id]; !ok {
		s.pids[id] = len(s.pids)
	}
	return fmt.Sprintf("pid%d", s.pids[id])
}

// producer is what the side knows of a producer; before InitProducerId nothing.
func (s *side) producer(name string) *producer {
	if s.producers[name] == nil {
		s.producers[name] = &producer{id: -1, epoch: -1}
	}
	return s.producers[name]
}
