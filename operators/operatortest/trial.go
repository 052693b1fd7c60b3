package operatortest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

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

// open starts a life on a disk: opens the store, restores the state and makes
// instances.
func (tr *trial) open(fsys *vfs.Mem) {
	tr.fsys = fsys
	if tr.plan.Key == nil {
		tr.instances = []*instance{{}}
		tr.start(tr.instances[0])
		return
	}
	store, err := statestore.Open(statestore.Options{FS: fsys, Dir: "/state", Logger: slog.New(slog.DiscardHandler),
		Identity: statestore.Identity{Pipeline: "operatortest", Partitions: statePartitions}})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.store, tr.instances = store, nil
	tasks := 1
	if tr.rng != nil {
		tasks += tr.rng.IntN(3)
	}
	for range tasks {
		tr.instances = append(tr.instances, &instance{})
	}
	for p := range int32(statePartitions) {
		inst := tr.instances[int(p)%tasks]
		inst.partitions = append(inst.partitions, p)
	}
	for _, inst := range tr.instances {
		tr.restore(inst)
		tr.start(inst)
	}
}

// restore brings an instance's state up from the disk and the changelog.
func (tr *trial) restore(inst *instance) {
	task, err := tr.store.Task(inst.partitions)
	if err == nil {
		err = task.Load()
	}
	if err != nil {
		tr.t.Fatal(err)
	}
	inst.task = task
	for _, p := range inst.partitions {
		pos, _ := task.Position(p)
		for _, c := range tr.changelog[p][pos.Offset:] {
			if err := task.Restore(p, c.key, c.value); err != nil {
				tr.t.Fatal(err)
			}
		}
	}
}

// start makes and opens an operator.
func (tr *trial) start(inst *instance) {
	op, err := tr.plan.New()
	if err != nil {
		tr.t.Fatalf("New: %v", err)
	}
	inst.op = op
	ctx := &operators.Context{Name: "under_test"}
	if inst.task != nil {
		ctx.State = inst.task.View("under_test")
		if err := ctx.State.CheckLayout(tr.plan.StateVersion, tr.plan.StateLayout); err != nil {
			tr.t.Fatal(err)
		}
	}
	if err := op.Open(ctx); err != nil {
		tr.t.Fatalf("Open: %v", err)
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

// commit ends the epoch: changes go to the changelog, output and positions count.
func (tr *trial) commit() {
	tr.epoch++
	for _, inst := range tr.instances {
		if inst.task == nil {
			continue
		}
		err := inst.task.Changes(func(p int32, key, value []byte) error {
			tr.changelog[p] = append(tr.changelog[p], change{slices.Clone(key), slices.Clone(value)})
			return nil
		})
		if err != nil {
			tr.t.Fatal(err)
		}
		inst.task.Commit(tr.epoch)
	}
	for _, s := range tr.streams {
		s.committed = s.taken
	}
	tr.out.commit()
	tr.forwarded = tr.out.forwarded
}

// abort takes the epoch back: instances are discarded, rows will come again.
func (tr *trial) abort() {
	for _, inst := range tr.instances {
		tr.closeOperator(inst)
		if inst.task != nil {
			inst.task.Abort()
		}
		tr.start(inst)
	}
	tr.rewind()
}

func (tr *trial) rewind() {
	for _, s := range tr.streams {
		s.taken = s.committed
	}
	tr.out.abort()
	tr.out.forwarded = tr.forwarded
}

// crash ends a life; the next one begins on what the disk kept, or on a new one.
func (tr *trial) crash() {
	fsys := tr.fsys
	switch tr.rng.IntN(3) {
	case 0:
		fsys = vfs.NewMem()
	case 1:
		fsys = fsys.CrashClone(tr.rng)
	}
	tr.stop()
	tr.rewind()
	tr.open(fsys)
}

func (tr *trial) checkpoint() {
	tr.commit()
	at := map[int32]statestore.Position{}
	for p := range int32(statePartitions) {
		at[p] = statestore.Position{Offset: int64(len(tr.changelog[p])), Epoch: tr.epoch, Time: time.Unix(0, 0)}
	}
	for _, inst := range tr.instances {
		if inst.task == nil {
			return
		}
		if err := inst.task.Checkpoint(at); err != nil {
			tr.t.Fatal(err)
		}
	}
	if tr.rng.IntN(2) == 0 {
		if err := tr.store.Flush(); err != nil {
			tr.t.Fatal(err)
		}
	}
}

// stop ends a life.
func (tr *trial) stop() {
	for _, inst := range tr.instances {
		tr.closeOperator(inst)
		if inst.task != nil {
			inst.task.Release()
		}
	}
	if tr.store != nil {
		if err := tr.store.Close(); err != nil {
			tr.t.Fatal(fmt.Errorf("close the store: %w", err))
		}
		tr.store = nil
	}
}

func (tr *trial) closeOperator(inst *instance) {
	if err := inst.op.Close(); err != nil {
		tr.t.Errorf("Close: %v", err)
	}
}
