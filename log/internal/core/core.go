// Package core is the shape of every protocol state machine in the log: replica,
// group, transaction and controller. A core is pure. It does no I/O, starts no
// goroutine, reads no clock and draws no randomness but from a source that was
// given to it; it turns an input into duties for its driver.
//
//	input --> Step(now, input, *Duties) --> ordered duties --> driver --> Done inputs
//
// Two drivers run cores: Driver in this package, on real disks and sockets, and
// the simulator of log/internal/sim, exactly deterministic from a seed. Both leave
// the order of duties to Runner. A core whose duties are all done in memory at once,
// as a replica's are, may also be stepped where its inputs arise.
//
// Rules that every core keeps:
//
//  1. now is monotonic and the only clock.
//  2. No output depends on map order.
//  3. No core calls another; what concerns two cores is a duty of one and an input
//     of the other.
//  4. A duty with After != 0 is carried out only once that token is committed; the
//     driver reports the token with a Done.
//  5. A failed Append or lost leadership resets the core to its last committed
//     state and replays (the driver makes a new core and feeds it the log).
package core

import "time"

// Token names one Append or Propose of a core. Tokens rise; 0 is none.
type Token uint64

// Core is one state machine. One goroutine at a time calls Step.
type Core interface {
	Step(now time.Duration, in Input, out *Duties)
}

// Input is what happened. Every core declares its own concrete inputs besides
// Tick and Done, and ignores none silently: an unknown one panics.
type Input any

// Tick says that time has passed; now tells how much. Drivers send one at least
// every Duties.WakeAt and otherwise as they like.
type Tick struct{}

// Done says what became of an earlier Append, Propose or Send.
type Done struct {
	Token Token
	// Err is nil if it is committed. Otherwise it may or may not have happened.
	Err error
	// BaseOffset is where an Append's first record went.
	BaseOffset int64
}

// Duty is one thing to do, in order with the others.
type Duty struct {
	// After holds the duty back until this token is committed; if that fails the
	// duty is dropped (a Reply is then answered with the failure).
	After Token
	// Do is one of Append, Propose, Send, Reply, Install or a core's own type.
	Do any
}

// Append adds records to the core's own log partition.
type Append struct {
	Token Token
	// Batch is one encoded record batch v2 without offsets.
	Batch []byte
}

// Propose adds records to the metadata log.
type Propose struct {
	Token   Token
	Records [][]byte
}

// Send delivers a message to another node or another core. If Token is not 0 the
// driver answers with a Done or with the peer's message as an input.
type Send struct {
	Token   Token
	Message any
}

// Reply answers the request that an input carried.
type Reply struct {
	ID       uint64
	Response any
}

// Install hands a new immutable state to readers outside the core.
type Install struct{ State any }

// Duties collects what a Step wants done, in order. The zero value is ready.
type Duties struct {
	List []Duty
	// WakeAt is when the core next wants a Tick, in the time of now; 0 is never.
	WakeAt time.Duration
}

// Add appends a duty that may be carried out at once.
func (d *Duties) Add(do any) { d.List = append(d.List, Duty{Do: do}) }

// AddAfter appends a duty that waits for a token.
func (d *Duties) AddAfter(t Token, do any) { d.List = append(d.List, Duty{After: t, Do: do}) }

// Reset empties d for the next Step and keeps its memory.
func (d *Duties) Reset() { d.List, d.WakeAt = d.List[:0], 0 }
