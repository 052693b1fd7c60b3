package quota

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// Client is who asks.
type Client struct {
	// User is the name in the principal, without "User:".
	User string
	// ID is what the client calls itself, "" if nothing.
	ID string
	// IP is the address it comes from, as netip.Addr prints it.
	IP string
}

// NewClient is a Client whose names are cut where they are longer than any that a
// quota can be for, so that remembering one takes a bounded memory.
func NewClient(user, id, ip string) Client {
	cut := func(s string) string {
		if len(s) > maxName+1 {
			return strings.Clone(s[:maxName+1])
		}
		return s
	}
	return Client{User: cut(user), ID: cut(id), IP: cut(ip)}
}

// Table is all quotas that are set: immutable. nil is the table without any. Any
// number of goroutines may read it.
type Table struct {
	entities map[Entity]map[Key]float64
	// levels are, per key, the levels of precedence at which some quota is set. They
	// spare most look-ups: nearly everybody sets quotas at one level only.
	levels map[Key]uint16
}

// The levels of precedence: of those at which a key is set for a client, the first
// counts. Each key is looked up for itself, so a user's own producer_byte_rate does
// not hide the default's consumer_byte_rate.
const (
	levelUserClient = iota
	levelUserDefaultClient
	levelUser
	levelDefaultUserClient
	levelDefaultUserDefaultClient
	levelDefaultUser
	levelClient
	levelDefaultClient
	levelIP
	levelDefaultIP
	levels
)

// level is the one of an entity.
func (e Entity) level() int {
	switch {
	case e.IP.IsSet():
		return levelIP + defaulted(e.IP)
	case e.User.IsSet() && e.ClientID.IsSet():
		return levelUserClient + defaulted(e.ClientID) + (levelDefaultUserClient-levelUserClient)*defaulted(e.User)
	case e.User.IsSet():
		return levelUser + (levelDefaultUser-levelUser)*defaulted(e.User)
	}
	return levelClient + defaulted(e.ClientID)
}

func defaulted(n Name) int {
	if n == Default {
		return 1
	}
	return 0
}

// at is the entity that a client is at a level.
func (c Client) at(level int) Entity {
	user, id := Named(c.User), Named(c.ID)
	switch level {
	case levelUserClient:
		return Entity{User: user, ClientID: id}
	case levelUserDefaultClient:
		return Entity{User: user, ClientID: Default}
	case levelUser:
		return Entity{User: user}
	case levelDefaultUserClient:
		return Entity{User: Default, ClientID: id}
	case levelDefaultUserDefaultClient:
		return Entity{User: Default, ClientID: Default}
	case levelDefaultUser:
		return Entity{User: Default}
	case levelClient:
		return Entity{ClientID: id}
	case levelDefaultClient:
		return Entity{ClientID: Default}
	case levelIP:
		return Entity{IP: Named(c.IP)}
	}
	return Entity{IP: Default}
}

// shares is who a client shares a limit of a level with: all connections of the
// client, of the user, or of the user's client. A default is a limit for each one who
// has it, not for all together.
func (c Client) shares(level int) Client {
	switch {
	case level >= levelIP:
		return Client{IP: c.IP}
	case level >= levelClient:
		return Client{ID: c.ID}
	case level == levelUser || level == levelDefaultUser:
		return Client{User: c.User}
	}
	return Client{User: c.User, ID: c.ID}
}

// Find is the limit that a client has for a key, and who shares it; false if there
// is none.
func (t *Table) Find(key Key, c Client) (limit float64, shared Client, ok bool) {
	if t == nil {
		return 0, Client{}, false
	}
	set := t.levels[key]
	for level := range levels {
		if set&(1<<level) == 0 {
			continue
		}
		if limit, ok = t.entities[c.at(level)][key]; ok {
			return limit, c.shares(level), true
		}
	}
	return 0, Client{}, false
}

// Change sets or removes one quota.
type Change struct {
	Entity Entity
	Key    Key
	Value  float64
	Remove bool
}

// With is the table after changes; t stays as it is.
func (t *Table) With(changes ...Change) *Table {
	next := &Table{entities: map[Entity]map[Key]float64{}, levels: map[Key]uint16{}}
	if t != nil {
		maps.Copy(next.entities, t.entities)
	}
	own := map[Entity]bool{} // whose values t does not share
	for _, c := range changes {
		values := next.entities[c.Entity]
		if !own[c.Entity] {
			own[c.Entity] = true
			values = maps.Clone(values)
		}
		switch {
		case c.Remove:
			delete(values, c.Key)
		case values == nil:
			values = map[Key]float64{c.Key: c.Value}
		default:
			values[c.Key] = c.Value
		}
		if next.entities[c.Entity] = values; len(values) == 0 {
			delete(next.entities, c.Entity)
		}
	}
	if len(next.entities) == 0 {
		return nil
	}
	for e, values := range next.entities {
		for key := range values {
			next.levels[key] |= 1 << e.level()
		}
	}
	return next
}

// Len is the number of entities that have quotas.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.entities)
}

// Get is what a quota is set to, and whether it is.
func (t *Table) Get(e Entity, key Key) (float64, bool) {
	if t == nil {
		return 0, false
	}
	v, ok := t.entities[e][key]
	return v, ok
}

// All are the entities that have quotas, in order.
func (t *Table) All() iter.Seq[Entity] {
	return func(yield func(Entity) bool) {
		if t == nil {
			return
		}
		for _, e := range slices.SortedFunc(maps.Keys(t.entities), Entity.Compare) {
			if !yield(e) {
				return
			}
		}
	}
}

// Values are the quotas of an entity, in order of their keys.
func (t *Table) Values(e Entity) iter.Seq2[Key, float64] {
	return func(yield func(Key, float64) bool) {
		if t == nil {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(t.entities[e])) {
			if !yield(key, t.entities[e][key]) {
				return
			}
		}
	}
}
