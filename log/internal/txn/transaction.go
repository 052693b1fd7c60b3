package txn

import (
	"cmp"
	"math"
	"slices"

	"github.com/millrace/millrace/log/internal/core"
)

// State is where a transactional id stands, numbered as in the log.
//
//	Empty --add--> Ongoing --end--> PrepareCommit --markers--> CompleteCommit --add--> Ongoing
//	                  |                                             ^
//	                  +--end, timeout, fence--> PrepareAbort --markers--> CompleteAbort
type State int8

// The states. Dead and PrepareEpochFence are of Kafka's log; here an expired id is
// gone, and a producer is fenced by going to PrepareAbort at once.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead
	PrepareEpochFence
)

var stateNames = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort",
	"CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}

// String is the state's name as Kafka's tools show it.
func (s State) String() string { return stateNames[s] }

// deciding reports whether the outcome is fixed and markers are being written.
func (s State) deciding() bool { return s == PrepareCommit || s == PrepareAbort }

// exhausted is the first epoch after which a producer needs a new id. The highest,
// 32 767, is kept for the marker that fences the last one.
const exhausted = math.MaxInt16 - 1

// none is the producer id and the epoch of nobody.
const none = -1

// TopicPartition is one partition in a transaction.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func compare(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// transaction is a transactional id and its present or last transaction.
//
// The producer id and epoch are the ones that count now: data and adds must carry
// exactly them. In version 2 deciding raises the epoch, so that whatever was under
// way in the old one comes too late (KIP-890); the epoch that the client knew is kept
// in lastEpoch, to recognize it when it asks again.
type transaction struct {
	id    string
	state State

	pid, prevPid int64 // prevPid is the id before the last rotation
	nextPid      int64 // the id from the end of this transaction on, none if it stays
	epoch        int16
	lastEpoch    int16

	timeoutMs  int32
	partitions []TopicPartition // sorted, without duplicates
	startMs    int64            // time of day, -1 outside a transaction
	updateMs   int64
	version    int16 // transaction version of the last transition, 1 or 2

	unmarked []TopicPartition // while deciding: still without a marker
	attempt  int              // of writing the markers
	parked   []parkedRequest
	token    core.Token // newest append that changed it
}

// has reports whether the transaction contains all the partitions.
func (t *transaction) has(partitions []TopicPartition) bool {
	for _, p := range partitions {
		if _, ok := slices.BinarySearchFunc(t.partitions, p, compare); !ok {
			return false
		}
	}
	return true
}

// add puts partitions into the transaction and returns those that were not in it.
func (t *transaction) add(partitions []TopicPartition) []TopicPartition {
	var added []TopicPartition
	for _, p := range partitions {
		if _, ok := slices.BinarySearchFunc(t.partitions, p, compare); !ok {
			added = append(added, p)
		}
	}
	slices.SortFunc(added, compare)
	added = slices.Compact(added)
	t.partitions = append(t.partitions, added...)
	slices.SortFunc(t.partitions, compare)
	return added
}

// after is the producer id and epoch that the client uses once the transaction that
// is being decided is over.
func (t *transaction) after() (pid int64, epoch int16) {
	if t.nextPid != none {
		return t.nextPid, 0
	}
	return t.pid, t.epoch
}
