package broker

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// places are the connections that a broker has room for, on all listeners together.
//
// One bound for all, and closing what comes beyond it, is not enough: whoever opens that
// many and says nothing keeps everybody out for as long as a client has to authenticate,
// and can do it again. A bound for each address does not help against a few of them. So
// who has not done yet what its listener demands (a TLS handshake, a certificate, SASL)
// is a stranger, and of strangers there are only so many at a time; all other places are
// for those inside. When one more comes, somebody who is no use gives way to it:
//
//  1. Who is inside never gives way.
//  2. A neighbourhood (an address, or a /64 of IPv6, which one machine can have for
//     itself) that has two more strangers than the newcomer's own gives one up: of the
//     one that has most, who has been silent for longest. So a flood of few addresses
//     pushes out itself.
//  3. Between equals only who has been silent for silenceBeforeGivingWay gives way: in
//     a crowd of honest clients, all in the middle of their handshakes, the newest is
//     turned away. Were the oldest pushed out, nobody would ever finish.
//  4. Who waits for the broker, say for a password to be checked, is not silent.
//
// The same holds when all places are taken and some of them by strangers.
type places struct {
	limits *Limits

	mu        sync.Mutex
	open      int
	ofHost    map[string]int // by address
	strangers []*place       // in the order in which they came
	near      map[string]int // strangers by neighbourhood
	ofUser    map[string]map[*place]struct{}
}

// silenceBeforeGivingWay is longer than a client needs from one step of its handshake
// to the next, over any distance.
const silenceBeforeGivingWay = time.Second

// place is one connection's.
type place struct {
	host   string
	near   string // its neighbourhood
	counts *listenerStats
	// shove ends the connection. It does not wait.
	shove func()
	// silent is since when the broker waits for the client, in Unix nanoseconds; 0 while
	// the client waits for the broker.
	silent atomic.Int64

	open     bool   // guarded by places.mu, as what follows
	stranger bool   // has not done what its listener demands
	user     string // who has authenticated by SASL, "" if nobody
}

// clientsTurn notes whether the broker waits for the client, or the client for it.
func (p *place) clientsTurn(yes bool) {
	if yes {
		p.silent.Store(time.Now().UnixNano())
	} else {
		p.silent.Store(0)
	}
}

// enter gives a connection its place. gaveWay is whose it was, if somebody's; its
// connection is to be shoved. An error says which bound is in the way.
func (s *places) enter(p *place, now time.Time) (gaveWay *place, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.limits.perAddress(p.host); limit > 0 && s.ofHost[p.host] >= limit {
		return nil, errTooManyOfAddress
	}
	if crowded := p.stranger && len(s.strangers) >= s.limits.Strangers; crowded || s.open >= s.limits.Connections {
		if gaveWay = s.leastUse(p, now); gaveWay != nil {
			s.remove(gaveWay)
		} else if crowded {
			return nil, errTooManyStrangers
		} else {
			return nil, errTooManyConnections
		}
	}
	s.add(p)
	p.silent.Store(now.UnixNano())
	return gaveWay, nil
}

// settle notes that a client has come in, as a user if it has authenticated by SASL.
func (s *places) settle(p *place, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeStranger(p)
	if !p.open || user == "" || p.user != "" {
		return
	}
	p.user = user
	if s.ofUser == nil {
		s.ofUser = map[string]map[*place]struct{}{}
	}
	if s.ofUser[user] == nil {
		s.ofUser[user] = map[*place]struct{}{}
	}
	s.ofUser[user][p] = struct{}{}
}

// clear takes their places from all users who are not there any more, and returns them
// by user. Their connections are to be shoved.
func (s *places) clear(there func(user string) bool) map[string][]*place {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := map[string][]*place{}
	for user, all := range s.ofUser {
		if !there(user) {
			gone[user] = slices.Collect(maps.Keys(all))
		}
	}
	for _, all := range gone {
		for _, p := range all {
			s.remove(p)
		}
	}
	return gone
}

// leave gives the place back, unless somebody else has it already.
func (s *places) leave(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(p)
}

// crowd is the neighbourhood that has most strangers.
func (s *places) crowd() (near string, strangers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.strangers {
		if n := s.near[p.near]; n > strangers {
			near, strangers = p.near, n
		}
	}
	return near, strangers
}

// leastUse is the stranger who gives way to a newcomer, nil if nobody does.
func (s *places) leastUse(newcomer *place, now time.Time) *place {
	var most int
	var ofMost, ofAll *place
	for _, p := range s.strangers {
		if n := s.near[p.near]; n > most {
			most, ofMost = n, p
		} else if n == most {
			ofMost = longerSilent(ofMost, p)
		}
		ofAll = longerSilent(ofAll, p)
	}
	switch {
	case most >= s.near[newcomer.near]+2:
		return ofMost
	case ofAll == nil || ofAll.silent.Load() == 0:
		return nil
	case now.UnixNano()-ofAll.silent.Load() >= int64(silenceBeforeGivingWay):
		return ofAll
	}
	return nil
}

// longerSilent is the one of two that has been silent for longer; of two that wait for
// the broker the one that came later, who has waited less.
func longerSilent(earlier, later *place) *place {
	if earlier == nil {
		return later
	}
	a, b := earlier.silent.Load(), later.silent.Load()
	if a == 0 || b != 0 && b < a {
		return later
	}
	return earlier
}

func (s *places) add(p *place) {
	if s.ofHost == nil {
		s.ofHost, s.near = map[string]int{}, map[string]int{}
	}
	s.open++
	s.ofHost[p.host]++
	p.open = true
	if p.stranger {
		s.strangers = append(s.strangers, p)
		s.near[p.near]++
		p.counts.strangers.Add(1)
	}
}

func (s *places) remove(p *place) {
	if !p.open {
		return
	}
	s.removeStranger(p)
	if p.user != "" {
		if delete(s.ofUser[p.user], p); len(s.ofUser[p.user]) == 0 {
			delete(s.ofUser, p.user)
		}
	}
	p.open = false
	s.open--
	less(s.ofHost, p.host)
}

func (s *places) removeStranger(p *place) {
	if !p.open || !p.stranger {
		return
	}
	p.stranger = false
	i := slices.Index(s.strangers, p)
	s.strangers = slices.Delete(s.strangers, i, i+1)
	less(s.near, p.near)
	p.counts.strangers.Add(-1)
}

func less(counts map[string]int, key string) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// neighbourhood is what counts as one address of strangers.
func neighbourhood(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() || ip.IsLoopback() {
		return host
	}
	net, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return net.String()
}
