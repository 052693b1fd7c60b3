package broker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Limits bounds what connections may make the broker hold. The zero value of a
// field means its default.
type Limits struct {
	// FrameBytes is the largest request but a Produce; 0 means 1 MiB.
	FrameBytes int
	// ProduceBytes is the largest Produce; 0 means 100 MiB, what Kafka takes and what
	// clients are configured for.
	ProduceBytes int
	// RequestBytes is the budget for the frames that are being read or handled, on
	// all connections together; 0 means 112 MiB. It must hold the largest Produce.
	RequestBytes int64
	// DecodeBytes is the budget for what requests decode to and what their answers
	// take, but for records, on all connections together; 0 means 48 MiB. A request
	// that alone needs more is refused.
	DecodeBytes int64
	// ResponseBytes is the budget for fetched records on their way out, on all
	// connections together; 0 means 48 MiB.
	ResponseBytes int64
	// FetchBytes bounds one Fetch response, whatever the client asks; 0 means 16 MiB.
	// One batch larger than it is still sent.
	FetchBytes int
	// Pipelined is the number of requests of one connection that may be read ahead
	// or be waiting for their answer; 0 means 64.
	Pipelined int
	// Connections bounds the open connections of all listeners; 0 means 4096.
	Connections int
	// ConnectionsPerAddress bounds those of one address; 0 means a quarter of
	// Connections, and no bound for this machine's own.
	ConnectionsPerAddress int
	// ConnectionsOfAddress are the bounds of addresses that have another one, by their
	// IP; 0 is none.
	ConnectionsOfAddress map[string]int
	// Strangers bounds the connections whose client has not done yet what its listener
	// demands before it is let in; 0 means an eighth of Connections, at least 64 and at
	// most 1024, but never more than half of them. The others are for who is inside.
	Strangers int
	// Idle closes a connection that has asked nothing for so long; 0 means 10 min.
	Idle time.Duration
	// Arrival is the time in which a client must have done its TLS handshake and its
	// authentication, where there are such; 0 means 15 s.
	Arrival time.Duration
	// ArrivalBytes is the budget for the requests of clients that are not yet
	// authenticated, on all connections together, and another of that size for what
	// they decode to; 0 means 8 MiB. Who is, never waits for who is not.
	ArrivalBytes int64
	// FrameTime is the time in which a frame must arrive once it has begun, and in
	// which a response must be taken; 0 means 30 s.
	FrameTime time.Duration
	// ChunkTime is the time in which each 256 KiB of a frame must arrive; 0 means 5 s.
	// What a sender that has stopped holds of RequestBytes is free again after it.
	ChunkTime time.Duration
	// Wait bounds a Fetch's long poll, whatever the client asks; 0 means 1 min.
	Wait time.Duration
}

func (l *Limits) setDefaults() {
	setDefault(&l.FrameBytes, 1<<20)
	setDefault(&l.ProduceBytes, 100<<20)
	setDefault(&l.RequestBytes, 112<<20)
	setDefault(&l.DecodeBytes, 48<<20)
	setDefault(&l.ResponseBytes, 48<<20)
	setDefault(&l.FetchBytes, 16<<20)
	setDefault(&l.Pipelined, 64)
	setDefault(&l.Connections, 4096)
	setDefault(&l.Strangers, max(min(max(l.Connections/8, 64), 1024, l.Connections/2), 1))
	setDefault(&l.Idle, 10*time.Minute)
	setDefault(&l.Arrival, 15*time.Second)
	setDefault(&l.ArrivalBytes, 8<<20)
	setDefault(&l.FrameTime, 30*time.Second)
	setDefault(&l.ChunkTime, 5*time.Second)
	setDefault(&l.Wait, time.Minute)
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// perAddress is how many connections a host may have. Without a limit that was given,
// the clients of this machine, which all come from one address, may have them all.
func (l *Limits) perAddress(host string) int {
	if n, ok := l.ConnectionsOfAddress[host]; ok {
		return n
	}
	if l.ConnectionsPerAddress > 0 {
		return l.ConnectionsPerAddress
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return 0
	}
	return max(l.Connections/4, 1)
}

// overrides are the bounds of single addresses as Kafka writes them.
func (l *Limits) overrides() string {
	var parts []string
	for _, ip := range slices.Sorted(maps.Keys(l.ConnectionsOfAddress)) {
		parts = append(parts, fmt.Sprintf("%s:%d", ip, l.ConnectionsOfAddress[ip]))
	}
	return strings.Join(parts, ",")
}
