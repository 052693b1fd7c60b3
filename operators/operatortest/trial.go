package operatortest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

// statePartitions of every run; keys of different partitions may share a task.
const statePartitions = 8

// stream is the rows of one split of one input.
type stream struct {
	input     int
	rows      []int   // into Case.Rows
	before    []int64 // the split's watermark before each row, and one more after all
	taken     int
	committed int
}

// trial is one run of a case: a small engine, with an operator where a pipeline has
// many, that does at random everything that an engine may do.
type trial struct {
	t       testing.TB
	c       *Case
	plan    *operators.Plan
	rng     *rand.Rand // nil for the plain run
	streams []*stream
	order   []int // of class arrival: the stream of each row, in the order of the list

	fsys      *vfs.Mem
	store     *statestore.Store
	changelog map[int32][]change
	epoch     uint64
	instances []*instance
	out       *output
	// forwarded is what out.forwarded was at the last commit.
	forwarded int64
	encoder   columnar.KeyEncoder
}

type change struct{ key, value []byte }

// instance is one task: an instance of the operator with its partitions' state.
type instance struct {
	op         operators.Operator
	partitions []int32
	task       *statestore.Task // nil if the operator is stateless
}

func newTrial(t testing.TB, c Case, plan *operators.Plan, rng *rand.Rand) *trial {
	tr := &trial{t: t, c: &c, plan: plan, rng: rng, out: newOutput(t, plan),
		changelog: map[int32][]change{}, forwarded: columnar.MinTime}
	tr.split()
	tr.open(vfs.NewMem())
	return tr
}

func runPlain(t testing.TB, c Case, plan *operators.Plan) *output {
	return newTrial(t, c, plan, nil).run()
}

// chance is true once in n times, never in the plain run.
func (tr *trial) chance(n int) bool { return tr.rng != nil && tr.rng.IntN(n) == 0 }

// split sorts the case's rows into streams.
func (tr *trial) split() {
	byID := map[[2]int32]int{}
	for r, row := range tr.c.Rows {
		id := [2]int32{int32(row.Input), row.Split}
		at, ok := byID[id]
		if !ok {
			at = len(tr.streams)
			byID[id] = at
			tr.streams = append(tr.streams, &stream{input: row.Input, before: []int64{columnar.MinTime}})
		}
		s := tr.streams[at]
		s.rows = append(s.rows, r)
		s.before = append(s.before, max(s.before[len(s.before)-1], row.At-tr.c.OutOfOrder))
		tr.order = append(tr.order, at)
	}
}

// run takes all rows, ends time, and returns what came out.
func (tr *trial) run() *output {
	for tr.step() {
		if tr.chance(4) {
			tr.advance(tr.watermark())
		}
		switch {
		case tr.chance(8):
			tr.commit()
		case tr.chance(12):
			tr.abort()
		case tr.chance(30):
			tr.crash()
		case tr.chance(15):
			tr.checkpoint()
		}
	}
	for tr.chance(2) { // the end itself may have to be done again
		tr.advance(columnar.MaxTime)
		tr.abort()
		for tr.step() {
		}
	}
	tr.advance(columnar.MaxTime)
	tr.commit()
	tr.stop()
	return tr.out
}

// step processes one batch; false if there are no more rows.
func (tr *trial) step() bool {
	s := tr.choose()
	if s == nil {
		return false
	}
	n := tr.size(s)
	rows, before := s.rows[s.taken:s.taken+n], s.before[s.taken:s.taken+n]
	s.taken += n
	rows = tr.withoutLate(s.input, rows, before)
	if len(rows) == 0 {
		return true
	}
	for _, inst := range tr.instances {
		tr.process(inst, s.input, rows)
	}
	return true
}

// choose picks the stream of the next batch.
func (tr *trial) choose() *stream {
	if tr.plan.Class == operators.Arrival || tr.rng == nil {
		taken := 0
		for _, s := range tr.streams {
			taken += s.taken
		}
		if taken == len(tr.order) {
			return nil
		}
		return tr.streams[tr.order[taken]]
	}
	var open []*stream
	for _, s := range tr.streams {
		if s.taken < len(s.rows) {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return open[tr.rng.IntN(len(open))]
}

// size is how many rows of a stream the next batch takes. Where the order of arrival
// counts, it ends where another stream's row is next in the list.
func (tr *trial) size(s *stream) int {
	most := len(s.rows) - s.taken
	if tr.plan.Class == operators.Arrival || tr.rng == nil {
		most = 1
		for s.taken+most < len(s.rows) && s.rows[s.taken+most] == s.rows[s.taken]+most {
			most++
		}
	}
	if tr.rng == nil {
		return most
	}
	return min(most, 1+tr.rng.IntN(1+tr.rng.IntN(40)))
}

// withoutLate decides lateness as the engine does in front of an operator with Timing.
func (tr *trial) withoutLate(input int, rows []int, before []int64) []int {
	if tr.plan.Timing == nil || tr.c.NoEventTime {
		return rows
	}
	var accepted []int
	for i, r := range rows {
		first := tr.plan.Timing.FirstEnd(tr.c.Rows[r].At)
		if before[i] < first+tr.plan.Timing.Lateness || first > columnar.MaxTime-tr.plan.Timing.Lateness {
			accepted = append(accepted, r)
			continue
		}
		b := lend(tr.t, tr.c, input, []int{r}, nil)
		tr.out.late(rowText("late", &b.Batch, 0))
	}
	return accepted
}

// process gives an instance its share of the rows.
func (tr *trial) process(inst *instance, input int, rows []int) {
	l := lend(tr.t, tr.c, input, rows, tr.rng)
	if tr.plan.Key != nil {
		tr.exchange(inst, input, l)
		if l.Len() == 0 {
			return
		}
	}
	dump := l.dump()
	tr.out.current = l
	err := inst.op.Process(input, &l.Batch, tr.out)
	tr.out.current = nil
	if err != nil {
		tr.t.Fatalf("Process: %v", err)
	}
	if l.dump() != dump {
		tr.t.Errorf("Process wrote to the batch that it was lent")
	}
	l.poison()
}

// exchange encodes the keys and leaves the rows whose partition is the instance's.
func (tr *trial) exchange(inst *instance, input int, l *lent) {
	var cols []int
	for _, name := range tr.plan.Key[input] {
		cols = append(cols, l.Schema.Index(name))
	}
	l.Keys = &columnar.Keys{}
	tr.encoder.Encode(&l.Batch, cols, statePartitions, l.Keys)
	if len(inst.partitions) == statePartitions {
		return
	}
	sel := []int32{}
	for _, i := range selected(&l.Batch) {
		if slices.Contains(inst.partitions, l.Keys.Partition[i]) {
			sel = append(sel, i)
		}
	}
	l.Sel = sel
}

// watermark is the stage's: the minimum over the streams.
func (tr *trial) watermark() int64 {
	low := columnar.MaxTime
	for _, s := range tr.streams {
		low = min(low, s.before[s.taken])
	}
	return low
}

// advance fires timers and passes the watermark on.
func (tr *trial) advance(t int64) {
	if tr.c.NoEventTime && t != columnar.MaxTime {
		return
	}
	for _, inst := range tr.instances {
		tr.fire(inst, t)
		if err := inst.op.Watermark(t, tr.out); err != nil {
			tr.t.Fatalf("Watermark(%d): %v", t, err)
		}
	}
	if tr.plan.Timing != nil && t != columnar.MaxTime && t > columnar.MinTime+tr.plan.Timing.Hold {
		tr.out.forwarded = max(tr.out.forwarded, t-tr.plan.Timing.Hold)
	}
}

func (tr *trial) fire(inst *instance, upTo int64) {
	if inst.task == nil {
		return
	}
	view := inst.task.View("under_test")
	for {
		partition, t, key, ok, err := view.PopTimer(upTo)
		if err != nil {
			tr.t.Fatal(err)
		}
		if !ok {
			return
		}
		if err := inst.op.Timer(partition, key, t, tr.out); err != nil {
			tr.t.Fatalf("Timer(%d, %q, %d): %v", partition, key, t, err)
		}
	}
}
