// Package coordtest runs coordinator cores by hand, for tests: Bench is a driver
// whose clock, log and answers the test holds, and Script reads behaviour tests that
// are written as text.
package coordtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/record"
)

// ErrAppend is what a failed append of a Bench fails with.
var ErrAppend = errors.New("append failed")

// Bench runs one core on a log in memory. Appends are committed at once unless Hold
// is set. It is exactly deterministic. One goroutine uses it.
type Bench struct {
	// New makes an empty core; the log is replayed into it.
	New func() coord.Replayable
	// Hold keeps appends in the log uncommitted until Commit or Fail.
	Hold bool
	// OnAppend, OnReply, OnSend and OnInstall are told of duties when they are carried
	// out; nil ignores them. err is why a reply's append failed.
	OnAppend  func([]coord.Record)
	OnReply   func(id uint64, resp any, err error)
	OnSend    func(core.Send)
	OnInstall func(core.Install)

	Now    time.Duration
	runner *core.Runner
	queue  []core.Input

	log       []logged
	end       int64 // offset after the last appended record
	committed int   // batches of log that are
}

// logged is a batch in the log.
type logged struct {
	token   core.Token
	base    int64
	records []coord.Record
}

// Start makes a core from what is committed and ticks it. What is not committed is
// cut off, as after a crash.
func (b *Bench) Start() {
	b.log = b.log[:b.committed]
	b.end = 0
	b.queue = nil
	c := b.New()
	for _, l := range b.log {
		for _, r := range l.records {
			if err := c.Replay(r); err != nil {
				panic(err)
			}
			b.end = r.Offset + 1
		}
	}
	b.runner = core.NewRunner(c, (*benchExecutor)(b))
	b.Input(core.Tick{})
}

// Input steps the core, and again with what came of it, until nothing is left to do.
func (b *Bench) Input(in core.Input) {
	b.queue = append(b.queue, in)
	for len(b.queue) > 0 && b.runner.Failed() == nil {
		next := b.queue[0]
		b.queue = b.queue[1:]
		b.runner.Step(b.Now, next)
	}
}

// Advance lets time pass, with a tick whenever the core wants one.
func (b *Bench) Advance(d time.Duration) {
	target := b.Now + d
	for at := b.runner.WakeAt(); at != 0 && at <= target; at = b.runner.WakeAt() {
		b.Now = max(b.Now, at)
		b.Input(core.Tick{})
	}
	b.Now = target
	b.Input(core.Tick{})
}

// Commit commits the oldest n held appends; all if n is negative.
func (b *Bench) Commit(n int) {
	for ; n != 0 && b.committed < len(b.log); n-- {
		l := b.log[b.committed]
		b.committed++
		b.Input(core.Done{Token: l.token, BaseOffset: l.base})
	}
}

// Held is the number of appends that are not committed.
func (b *Bench) Held() int { return len(b.log) - b.committed }

// Fail fails the oldest held append, which ends the core. The first kept of the held
// batches stay in the log: an append that fails may have happened. Start goes on.
func (b *Bench) Fail(kept int) {
	token := b.log[b.committed].token
	b.runner.Step(b.Now, core.Done{Token: token, Err: ErrAppend})
	b.committed += min(kept, b.Held())
	if b.runner.Failed() == nil {
		panic("core lives on after a failed append")
	}
}

// Records are the committed records, in order.
func (b *Bench) Records() []coord.Record {
	var all []coord.Record
	for _, l := range b.log[:b.committed] {
		all = append(all, l.records...)
	}
	return all
}

// benchExecutor carries out duties for the runner.
type benchExecutor Bench

// Append implements core.Executor.
func (x *benchExecutor) Append(a core.Append) {
	h, err := record.Check(a.Batch, record.Limits{})
	if err != nil {
		panic(fmt.Sprintf("core appended a bad batch: %v", err))
	}
	batch := slices.Clone(a.Batch)
	record.SetBaseOffset(batch, x.end)
	l := logged{token: a.Token, base: x.end}
	if _, err := coord.Decode(batch, x.end, func(r coord.Record) error {
		l.records = append(l.records, r)
		return nil
	}); err != nil {
		panic(fmt.Sprintf("core appended a batch that cannot be read: %v", err))
	}
	x.end += int64(h.LastOffsetDelta) + 1
	x.log = append(x.log, l)
	if x.OnAppend != nil {
		x.OnAppend(l.records)
	}
	if !x.Hold && x.committed == len(x.log)-1 {
		x.committed++
		x.queue = append(x.queue, core.Done{Token: a.Token, BaseOffset: l.base})
	}
}

// Propose implements core.Executor.
func (x *benchExecutor) Propose(core.Propose) { panic("a coordinator proposes nothing") }

// Send implements core.Executor.
func (x *benchExecutor) Send(s core.Send) {
	if x.OnSend != nil {
		x.OnSend(s)
	}
}

// Reply implements core.Executor.
func (x *benchExecutor) Reply(r core.Reply, err error) {
	if x.OnReply != nil {
		x.OnReply(r.ID, r.Response, err)
	}
}

// Do implements core.Executor.
func (x *benchExecutor) Do(duty any) {
	if i := duty.(core.Install); x.OnInstall != nil {
		x.OnInstall(i)
	}
}

// Queue adds an input for after the present step; for callbacks.
func (b *Bench) Queue(in core.Input) { b.queue = append(b.queue, in) }

// Plant puts a committed record into the log that no core has appended. The next
// Start replays it.
func (b *Bench) Plant(kv coord.KV) {
	r := coord.Record{Offset: b.end, Key: kv.Key, Value: kv.Value, ProducerID: -1, ProducerEpoch: -1}
	b.log = append(b.log[:b.committed], logged{base: b.end, records: []coord.Record{r}})
	b.committed++
	b.end++
}

// Logged are all records of the log, committed or not, in order.
func (b *Bench) Logged() []coord.Record {
	var all []coord.Record
	for _, l := range b.log {
		all = append(all, l.records...)
	}
	return all
}
