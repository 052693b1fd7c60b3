package broker

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAFloodOfStrangersKeepsNobodyOut: eight addresses opened all the connections that a
// node has, said nothing, and did it again whenever their time to authenticate was over.
// The bound of one address, a quarter of all, was no help: from four on nobody else got
// in, while who was inside already noticed nothing, so that no old check saw it.
func TestAFloodOfStrangersKeepsNobodyOut(t *testing.T) {
	b, _ := testBroker(t, Limits{Connections: 64})
	addr := doors(t, b, plainOnly)
	inside := dial(t, addr)
	if code := logIn(inside, "anna", "anna"); code != 0 {
		t.Fatalf("error %d", code)
	}
	for range 16 {
		for last := 2; last <= 9; last++ {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(last))}}
			nc, err := d.Dial("tcp", addr)
			if err != nil {
				t.Skipf("this machine has no address 127.0.0.%d: %v", last, err)
			}
			t.Cleanup(func() { _ = nc.Close() })
		}
	}
	late := dial(t, addr)
	if code := logIn(late, "bob", "bob"); code != 0 {
		t.Fatalf("error %d", code)
	}
	ask[*kmsg.MetadataResponse](late, kmsg.NewPtrMetadataRequest())
	ask[*kmsg.MetadataResponse](inside, kmsg.NewPtrMetadataRequest())
}

// TestPlaces has strangers come at moments of the test's clock, and says who gives way
// to one more.
func TestPlaces(t *testing.T) {
	type arrival struct {
		host   string
		at     time.Duration // of its last word
		inside bool
		waits  bool // for the broker
	}
	crowd := func(n int, host string, at time.Duration) (all []arrival) {
		for i := range n {
			all = append(all, arrival{host: host, at: at + time.Duration(i)*time.Millisecond})
		}
		return all
	}
	spread := func(n int, at time.Duration) (all []arrival) {
		for i := range n {
			all = append(all, arrival{host: fmt.Sprintf("10.0.0.%d", i), at: at + time.Duration(i)*time.Millisecond})
		}
		return all
	}
	waiting := func(all []arrival) []arrival {
		for i := range all {
			all[i].waits = true
		}
		return all
	}
	none := -1
	for name, c := range map[string]struct {
		there  []arrival
		host   string
		anyone bool // the newcomer need do nothing to be let in
		now    time.Duration
		want   int // who gives way
		err    error
	}{
		"there is room":                        {crowd(3, "10.0.0.1", 0), "10.0.0.1", false, 0, none, nil},
		"of a crowd the longest silent":        {crowd(4, "10.0.0.1", 0), "10.0.0.2", false, 10 * time.Millisecond, 0, nil},
		"who has just spoken stays":            {append(crowd(1, "10.0.0.1", 5), crowd(3, "10.0.0.1", 0)...), "10.0.0.2", false, 10, 1, nil},
		"a network is one of the crowd":        {append(crowd(2, "2001:db8::1", 0), crowd(2, "2001:db8::2", 9)...), "2001:db8:0:1::1", false, 10 * time.Millisecond, 0, nil},
		"between equals the newest turns back": {spread(4, 0), "10.0.0.9", false, 500 * time.Millisecond, none, errTooManyStrangers},
		"of equals the silent gives way":       {spread(4, 0), "10.0.0.9", false, time.Second, 0, nil},
		"a crowd does not push itself":         {crowd(4, "10.0.0.1", 0), "10.0.0.1", false, 500 * time.Millisecond, none, errTooManyStrangers},
		"but for who is silent":                {crowd(4, "10.0.0.1", 0), "10.0.0.1", false, time.Second, 0, nil},
		"who waits for us is not silent":       {waiting(spread(4, 0)), "10.0.0.9", false, time.Hour, none, errTooManyStrangers},
		"of a crowd that waits the last":       {waiting(crowd(4, "10.0.0.1", 0)), "10.0.0.2", false, time.Hour, 3, nil},
		"those inside are no strangers":        {append([]arrival{{host: "10.0.0.1", inside: true}}, crowd(3, "10.0.0.1", 0)...), "10.0.0.1", false, 0, none, nil},
		"all places are taken": {
			append([]arrival{{host: "a", inside: true}, {host: "b", inside: true}, {host: "c", inside: true}, {host: "d", inside: true}, {host: "e", inside: true}, {host: "f", inside: true}},
				crowd(2, "10.0.0.1", 0)...), "10.0.0.9", true, 0, 6, nil,
		},
		"all places are taken by those inside": {
			[]arrival{{host: "a", inside: true}, {host: "b", inside: true}, {host: "c", inside: true}, {host: "d", inside: true}, {host: "e", inside: true}, {host: "f", inside: true},
				{host: "g", inside: true}, {host: "h", inside: true}}, "10.0.0.9", true, time.Hour, none, errTooManyConnections,
		},
		"an address has a bound": {append([]arrival{{host: "x", inside: true}}, crowd(3, "x", 0)...), "x", false, time.Hour, none, errTooManyOfAddress},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(1_000_000, 0)
			s := &places{limits: &Limits{Connections: 8, Strangers: 4, ConnectionsPerAddress: 8, ConnectionsOfAddress: map[string]int{"x": 4}}}
			counts := &listenerStats{}
			var there []*place
			for _, a := range c.there {
				p := &place{host: a.host, near: neighbourhood(a.host), counts: counts, stranger: true}
				if _, err := s.enter(p, start.Add(a.at)); err != nil {
					t.Fatal(err)
				}
				if a.inside {
					s.settle(p, a.host)
				}
				if a.waits {
					p.clientsTurn(false)
				}
				there = append(there, p)
			}
			newcomer := &place{host: c.host, near: neighbourhood(c.host), counts: counts, stranger: !c.anyone}
			gaveWay, err := s.enter(newcomer, start.Add(c.now))
			if err != c.err {
				t.Errorf("error %v, not %v", err, c.err)
			}
			for i, p := range there {
				if (i == c.want) != (p == gaveWay) {
					t.Errorf("number %d gives way: %v", i, p == gaveWay)
				}
			}
			if s.open > 8 || len(s.strangers) > 4 || int(counts.strangers.Load()) != len(s.strangers) {
				t.Errorf("%d open, %d strangers, counted %d", s.open, len(s.strangers), counts.strangers.Load())
			}
			for _, p := range append(there, newcomer) {
				s.leave(p)
				s.leave(p)
			}
			if s.open != 0 || len(s.strangers)+len(s.ofHost)+len(s.near)+len(s.ofUser) != 0 || counts.strangers.Load() != 0 {
				t.Errorf("all have left: %+v", s)
			}
		})
	}
}

// TestACrowdIsSaidOnce: who runs the node learns of a flood, with who and how many, in
// one line and not in thousands.
func TestACrowdIsSaidOnce(t *testing.T) {
	var written lines
	b, _ := testBroker(t, Limits{Strangers: 2})
	written.of(b, slog.LevelInfo)
	addr := doors(t, b, plainOnly)
	for range 20 {
		dial(t, addr)
	}
	for l := b.stats.listener(plainOnly.Name); l.tooManyStrangers.Load()+l.gaveWay.Load() < 18; {
		if time.Sleep(time.Millisecond); t.Context().Err() != nil {
			t.Fatal("nobody is turned away")
		}
	}
	said := written.with("too many connections that have not authenticated")
	if len(said) != 1 || !strings.Contains(said[0], "listener=SASL bound=2") || !strings.Contains(said[0], "most_from=127.0.0.1 of_those=2") {
		t.Errorf("%d lines: %q", len(said), said)
	}
}
