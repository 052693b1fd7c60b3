// Package quota says how much of the node a client may use: which limit applies to
// whom (Table), and how long who has used too much must wait (Limiter).
//
//	table := table.With(quota.Change{Entity: quota.Entity{User: quota.Named("ada")}, Key: quota.ProducerByteRate, Value: 1 << 20})
//	wait := limiter.Charge(table, quota.ProducerByteRate, quota.Client{User: "ada"}, bytes)
//
// Entities, keys, precedence and values are Kafka's (KIP-13, KIP-124, KIP-257, KIP-546,
// KIP-599, KIP-612). The package keeps nothing that must survive, and it makes nobody
// wait: it says for how long.
package quota

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
)

// Key is what a quota limits, by Kafka's name.
type Key string

// The keys. All are rates; the unit is in the comment.
const (
	ProducerByteRate       Key = "producer_byte_rate"       // bytes of record batches a second
	ConsumerByteRate       Key = "consumer_byte_rate"       // bytes of record batches a second
	RequestPercentage      Key = "request_percentage"       // percent of one core's time
	ControllerMutationRate Key = "controller_mutation_rate" // partitions made or deleted a second
	ConnectionCreationRate Key = "connection_creation_rate" // connections a second, of an address
)

// Keys are all keys, the one of addresses last.
var Keys = []Key{ProducerByteRate, ConsumerByteRate, RequestPercentage, ControllerMutationRate, ConnectionCreationRate}

// Name is one part of an Entity: absent (the zero value), the default of all that
// have no quota of their own, or a name.
type Name struct {
	kind nameKind
	name string
}

type nameKind uint8

const (
	absent nameKind = iota
	standard
	named
)

// Default is the part that stands for everybody who has no quota of their own.
var Default = Name{kind: standard}

// Named is the part that stands for one name.
func Named(name string) Name { return Name{named, name} }

// IsSet reports whether the part is there.
func (n Name) IsSet() bool { return n.kind != absent }

// Get is the name, and whether it is one: Default has none.
func (n Name) Get() (string, bool) { return n.name, n.kind == named }

func (n Name) compare(o Name) int {
	return cmp.Or(cmp.Compare(n.kind, o.kind), cmp.Compare(n.name, o.name))
}

func (n Name) String() string {
	if n.kind == standard {
		return "<default>"
	}
	return n.name
}

// Entity is who a quota is for: a user, a client id, both together, or an address.
type Entity struct{ User, ClientID, IP Name }

// The types of an entity's parts in Kafka's protocol.
const (
	TypeUser     = "user"
	TypeClientID = "client-id"
	TypeIP       = "ip"
)

// Part is the part of a type; nil if there is no such type.
func (e *Entity) Part(kind string) *Name {
	switch kind {
	case TypeUser:
		return &e.User
	case TypeClientID:
		return &e.ClientID
	case TypeIP:
		return &e.IP
	}
	return nil
}

// Types are those of the parts that are there, in a fixed order.
func (e Entity) Types() []string {
	var types []string
	for _, t := range []string{TypeUser, TypeClientID, TypeIP} {
		if e.Part(t).IsSet() {
			types = append(types, t)
		}
	}
	return types
}

// Compare orders entities.
func (e Entity) Compare(o Entity) int {
	return cmp.Or(e.User.compare(o.User), e.ClientID.compare(o.ClientID), e.IP.compare(o.IP))
}

// String is the entity for people to read.
func (e Entity) String() string {
	var parts []string
	for _, t := range e.Types() {
		parts = append(parts, t+" "+e.Part(t).String())
	}
	return strings.Join(parts, ", ")
}

// maxName bounds the bytes of a user's, client's or host's name.
const maxName = 1 << 10

// Check refuses an entity that quotas cannot be for.
func (e Entity) Check() error {
	if (e == Entity{}) {
		return errors.New("the entity is empty: name a user, a client-id or an ip")
	}
	if e.IP.IsSet() && (e.User.IsSet() || e.ClientID.IsSet()) {
		return errors.New("an ip cannot be combined with a user or a client-id")
	}
	for _, t := range e.Types() {
		switch name, ok := e.Part(t).Get(); {
		case !ok:
		case name == "":
			return fmt.Errorf("the name of the %s is empty: null is the default", t)
		case len(name) > maxName:
			return fmt.Errorf("the name of the %s has %d bytes: %d is the limit", t, len(name), maxName)
		}
	}
	if name, ok := e.IP.Get(); ok {
		if _, err := netip.ParseAddr(name); err != nil {
			return fmt.Errorf("%q is no IP address", name)
		}
	}
	return nil
}

// CheckValue refuses a key that the entity cannot have, and a value that the key
// cannot have.
func (e Entity) CheckValue(key Key, value float64) error {
	if err := e.CheckKey(key); err != nil {
		return err
	}
	if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
		return fmt.Errorf("%s=%v: a quota is a number, 0 or above", key, value)
	}
	whole := key != RequestPercentage && key != ControllerMutationRate
	if whole && (math.Abs(value-math.Round(value)) > 1e-6 || value > math.MaxInt64) {
		return fmt.Errorf("%s=%v: it must be a whole number", key, value)
	}
	if key == ConnectionCreationRate && value > math.MaxInt32 {
		return fmt.Errorf("%s=%v: the highest is %d", key, value, math.MaxInt32)
	}
	return nil
}

// CheckKey refuses a key that the entity cannot have.
func (e Entity) CheckKey(key Key) error {
	ofUsers := key == ProducerByteRate || key == ConsumerByteRate || key == RequestPercentage || key == ControllerMutationRate
	if e.IP.IsSet() && key != ConnectionCreationRate || !e.IP.IsSet() && !ofUsers {
		return fmt.Errorf("%s is no quota of %s", key, strings.Join(e.Types(), " and "))
	}
	return nil
}
