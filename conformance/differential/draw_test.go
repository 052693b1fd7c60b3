package differential

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// op is a request that was drawn. Run has the answer as a text in which nothing is left
// that may differ: ids are names, leader epochs and times of the clock are gone.
type op struct {
	name string
	run  func(context.Context, *side) string
}

// groups are those that requests name. Transactions commit offsets for the last one only,
// which is never deleted: kfake keeps what a transaction holds when its group is deleted,
// and Kafka does not.
var groups = []string{"g0", "g1", "g2"}

// drawer has the values from which requests are made: few, so that they meet.
type drawer struct{ *rand.Rand }

func (d drawer) topic() string    { return fmt.Sprintf("t%d", d.IntN(4)) }
func (d drawer) partition() int32 { return int32(d.IntN(3)) }
func (d drawer) offset() int64    { return int64(d.IntN(16)) - 1 }
func (d drawer) generation() int  { return d.IntN(len(generations)) }
func (d drawer) group() string    { return groups[d.IntN(len(groups))] }
func (d drawer) deleted() string  { return groups[d.IntN(len(groups)-1)] }
func (d drawer) txn() string      { return fmt.Sprintf("x%d", d.IntN(2)) }
func (d drawer) timestamp() int64 { return 1_700_000_000_000 + int64(d.IntN(8)) }
func (d drawer) rarely() bool     { return d.IntN(12) == 0 }
func (d drawer) isolation() int8  { return int8(d.IntN(2)) }
func (d drawer) producer() string { return fmt.Sprintf("p%d", d.IntN(2)) }
func (d drawer) recordCount() int { return d.IntN(3) + 1 }

// draw picks a request; those that change data come up more often.
func draw(rng *rand.Rand) op {
	d := drawer{rng}
	kinds := []struct {
		weight int
		draw   func(drawer) op
	}{
		{6, createTopic}, {1, deleteTopic}, {2, createPartitions}, {3, deleteRecords}, {3, alterTopic}, {3, describeTopic},
		{10, produce}, {10, produceIdempotent}, {12, produceInTransaction}, {8, endTransaction}, {3, initProducer}, {3, initTransaction},
		{5, commitInTransaction}, {12, fetch}, {8, listOffsets}, {3, offsetForEpoch},
		{6, commit}, {6, fetchOffsets}, {6, join}, {6, syncGroup}, {6, heartbeat}, {3, leave}, {2, deleteGroup}, {2, deleteOffsets},
		{3, describeGroup}, {2, listGroups}, {2, describeTransaction}, {2, describeProducers},
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	n := rng.IntN(total)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			return k.draw(d)
		}
	}
	panic("unreachable")
}
