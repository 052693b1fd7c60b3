package txn

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

var seedFlag = flag.Uint64("txn.seed", 0, "run random operations of this seed only")

// TestRandomOperations throws requests, lost appends, crashes, late markers and time at
// a core, and holds what it says and writes against the rules that every reader of the
// log depends on.
func TestRandomOperations(t *testing.T) {
	seeds := []uint64{*seedFlag}
	if *seedFlag == 0 {
		seeds = nil
		for s := uint64(1); s <= 40; s++ {
			seeds = append(seeds, s)
		}
	}
	for _, seed := range seeds {
		r := newRandom(seed)
		for i := range 600 {
			if r.step(); r.failure != "" {
				t.Fatalf("seed %d, step %d: %s\nagain with -txn.seed %d", seed, i, r.failure, seed)
			}
		}
		if r.settle(); r.failure != "" {
			t.Fatalf("seed %d, at the end: %s\nagain with -txn.seed %d", seed, r.failure, seed)
		}
	}
}

// random is a run of random operations on one transactional id among two.
type random struct {
	rng     *rand.Rand
	bench   *coordtest.Bench
	ids     []string
	n       uint64
	nextPID int64
	sent    []Markers
	asked   map[uint64]*kmsg.EndTxnRequest
	known   map[string][]producerName // pids and epochs that clients were told

	decisions map[string]map[producerName]State // by transactional id: what the log says
	marked    map[producerName]bool             // commit or not, of markers that were sent
	written   map[producerName]map[TopicPartition]bool
	failure   string
}

type producerName struct {
	id    int64
	epoch int16
}

func newRandom(seed uint64) *random {
	r := &random{rng: rand.New(rand.NewPCG(seed, 7)), ids: []string{"x", "y"}, nextPID: 1,
		asked: map[uint64]*kmsg.EndTxnRequest{}, known: map[string][]producerName{},
		decisions: map[string]map[producerName]State{"x": {}, "y": {}}, marked: map[producerName]bool{},
		written: map[producerName]map[TopicPartition]bool{}}
	epoch := int32(0)
	r.bench = &coordtest.Bench{
		New: func() coord.Replayable {
			epoch++
			r.sent = nil
			return NewCore(Config{}, epoch, start)
		},
		OnReply: r.reply, OnSend: r.send,
	}
	// One of the ids begins near the end of its epochs.
	near := &transaction{id: "y", pid: 900, prevPid: none, nextPid: none, epoch: 32760, lastEpoch: none, timeoutMs: 5000, startMs: -1, version: 2}
	r.bench.Start()
	r.bench.Plant(coord.KV{Key: recordKey("y"), Value: recordValue(near)})
	r.bench.Start()
	return r
}

func (r *random) fail(format string, args ...any) {
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
}

// step does one random thing.
func (r *random) step() {
	switch k := r.rng.IntN(20); {
	case k < 4:
		r.request(r.initRequest())
	case k < 9:
		r.add()
	case k < 13:
		r.request(r.endRequest())
	case k < 16:
		r.answerMarkers()
	case k < 17:
		r.bench.Advance(time.Duration(r.rng.IntN(3000)) * time.Millisecond)
	case k < 18:
		r.bench.Hold = !r.bench.Hold
	case k < 19:
		r.bench.Commit(r.rng.IntN(3))
	default:
		r.interrupt()
	}
	r.readLog()
}

// interrupt ends the core: it crashes, or an append fails that perhaps happened.
func (r *random) interrupt() {
	if r.bench.Held() > 0 && r.rng.IntN(2) == 0 {
		r.bench.Fail(r.rng.IntN(r.bench.Held() + 1))
	}
	r.bench.Start()
}

// settle lets everything end that was begun.
func (r *random) settle() {
	r.bench.Hold = false
	r.bench.Commit(-1)
	for range 20 {
		r.bench.Advance(5 * time.Second)
		for len(r.sent) > 0 {
			r.answerMarkers()
		}
	}
	r.readLog()
	for id, state := range r.lastStates() {
		if state == Ongoing || state.deciding() {
			r.fail("%s is %s for ever", id, state)
		}
	}
}

func (r *random) request(req kmsg.Request) {
	r.n++
	if end, ok := req.(*kmsg.EndTxnRequest); ok {
		r.asked[r.n] = end
	}
	r.bench.Input(coord.Request{ID: r.n, Body: req})
}

func (r *random) id() string { return r.ids[r.rng.IntN(len(r.ids))] }

// producer is one of the newest that a client of the id was told, or invented.
func (r *random) producer(id string) producerName {
	known := r.known[id]
	if len(known) == 0 || r.rng.IntN(20) == 0 {
		return producerName{r.rng.Int64N(10), int16(r.rng.IntN(5))}
	}
	return known[max(0, len(known)-1-min(r.rng.IntN(6), r.rng.IntN(6)))]
}

func (r *random) initRequest() kmsg.Request {
	req := kmsg.NewPtrInitProducerIDRequest()
	id := r.id()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, &id, int32(1000+r.rng.IntN(5000))
	if r.rng.IntN(2) == 0 {
		p := r.producer(id)
		req.ProducerID, req.ProducerEpoch = p.id, p.epoch
	}
	return req
}

func (r *random) endRequest() kmsg.Request {
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID = 5, r.id()
	p := r.producer(req.TransactionalID)
	req.ProducerID, req.ProducerEpoch = p.id, p.epoch
	req.Commit = r.rng.IntN(3) > 0
	return req
}

func (r *random) add() {
	r.n++
	id := r.id()
	p := r.producer(id)
	r.bench.Input(Add{ID: r.n, TransactionalID: id, ProducerID: p.id, ProducerEpoch: p.epoch, Version: 2,
		VerifyOnly: r.rng.IntN(6) == 0, Partitions: []TopicPartition{{"t", int32(r.rng.IntN(4))}}})
}

func (r *random) reply(id uint64, resp any, err error) {
	if err != nil {
		return
	}
	switch resp := resp.(type) {
	case *kmsg.InitProducerIDResponse:
		if resp.ErrorCode == 0 {
			r.learn(id, resp.ProducerID, resp.ProducerEpoch)
		}
	case *kmsg.EndTxnResponse:
		r.endReply(r.asked[id], resp)
	}
}

// endReply: a client that was told that its transaction has ended finds it so in the
// log, and one that commits is never told so of an abort.
func (r *random) endReply(req *kmsg.EndTxnRequest, resp *kmsg.EndTxnResponse) {
	if resp.ErrorCode == kerr.UnknownServerError.Code {
		r.fail("EndTxn %+v: %v", req, resp)
	}
	if resp.ErrorCode != 0 {
		return
	}
	r.readLog()
	want := CompleteAbort
	if req.Commit {
		want = CompleteCommit
	}
	if got := r.decisions[req.TransactionalID][producerName{req.ProducerID, req.ProducerEpoch}]; got != want {
		r.fail("EndTxn of %d:%d commit=%t is said to have happened, but the log says %s", req.ProducerID, req.ProducerEpoch, req.Commit, got)
	}
	r.known[req.TransactionalID] = append(r.known[req.TransactionalID], producerName{resp.ProducerID, resp.ProducerEpoch})
}

func (r *random) learn(_ uint64, pid int64, epoch int16) {
	if epoch < 0 || epoch > exhausted {
		r.fail("a client was given epoch %d", epoch)
	}
	id := "x"
	for _, rec := range r.bench.Records() {
		if t := r.decode(rec); t != nil && t.pid == pid {
			id = t.id
		}
	}
	r.known[id] = append(r.known[id], producerName{pid, epoch})
}

func (r *random) send(s core.Send) {
	switch m := s.Message.(type) {
	case Markers:
		r.checkMarkers(m)
		r.sent = append(r.sent, m)
	case WantProducerIDs:
		if r.rng.IntN(5) == 0 {
			r.bench.Queue(ProducerIDs{Err: fmt.Errorf("no quorum")})
			return
		}
		r.bench.Queue(ProducerIDs{First: r.nextPID, N: 3})
		r.nextPID += 3
	}
}

// checkMarkers: a marker has a committed decision behind it, and never another than
// the markers of the same producer epoch before it.
func (r *random) checkMarkers(m Markers) {
	var last *transaction
	for _, rec := range r.bench.Records() {
		if t := r.decode(rec); t != nil && t.id == m.TransactionalID {
			last = t
		}
	}
	if last == nil || !last.state.deciding() || (last.state == PrepareCommit) != m.Commit || last.pid != m.ProducerID || last.epoch != m.ProducerEpoch {
		r.fail("markers %+v were sent when the log said %+v", m, last)
	}
	name := producerName{m.ProducerID, m.ProducerEpoch}
	if commit, ok := r.marked[name]; ok && commit != m.Commit {
		r.fail("both commit and abort markers of %+v", name)
	}
	r.marked[name] = m.Commit
}

func (r *random) answerMarkers() {
	if len(r.sent) == 0 {
		return
	}
	i := r.rng.IntN(len(r.sent))
	m := r.sent[i]
	r.sent = slices.Delete(r.sent, i, i+1)
	w := MarkersWritten{TransactionalID: m.TransactionalID, ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch}
	name := producerName{m.ProducerID, m.ProducerEpoch}
	if r.written[name] == nil {
		r.written[name] = map[TopicPartition]bool{}
	}
	for _, p := range m.Partitions {
		if r.rng.IntN(5) == 0 {
			w.Missing = append(w.Missing, p)
		} else {
			r.written[name][p] = true
		}
	}
	r.bench.Input(w)
}

func (r *random) decode(rec coord.Record) *transaction {
	t, err := decodeRecord(string(rec.Key[4:]), rec.Value)
	if err != nil {
		r.fail("%v", err)
		return nil
	}
	return t
}

// legal are the ways from one record of a transactional id to the next.
var legal = map[State][]State{
	Empty:          {Empty, Ongoing, CompleteCommit, CompleteAbort},
	Ongoing:        {Ongoing, PrepareCommit, PrepareAbort},
	PrepareCommit:  {CompleteCommit},
	PrepareAbort:   {CompleteAbort},
	CompleteCommit: {Empty, Ongoing, CompleteCommit, CompleteAbort},
	CompleteAbort:  {Empty, Ongoing, CompleteCommit, CompleteAbort},
}

// readLog walks what is committed: only legal transitions, epochs that rise, one
// decision per epoch.
func (r *random) readLog() {
	last := map[string]*transaction{}
	clear(r.decisions["x"])
	clear(r.decisions["y"])
	for _, rec := range r.bench.Records() {
		t := r.decode(rec)
		if t == nil {
			return
		}
		if before := last[t.id]; before != nil {
			r.checkTransition(before, t)
		}
		last[t.id] = t
	}
}

func (r *random) checkTransition(before, t *transaction) {
	if !slices.Contains(legal[before.state], t.state) {
		r.fail("%s went from %s to %s", t.id, before.state, t.state)
	}
	if t.pid == before.pid && t.epoch < before.epoch {
		r.fail("%s went from epoch %d to %d", t.id, before.epoch, t.epoch)
	}
	if t.state == before.state && t.state == Ongoing && !t.has(before.partitions) {
		r.fail("%s lost partitions", t.id)
	}
	if before.state.deciding() {
		for _, p := range before.partitions {
			if !r.written[producerName{before.pid, before.epoch}][p] {
				r.fail("%s is complete without the marker of %v", t.id, p)
			}
		}
	}
	decided := t.state.deciding() || (t.state == CompleteCommit || t.state == CompleteAbort) && !before.state.deciding()
	if !decided {
		return
	}
	state := t.state
	switch state {
	case PrepareCommit:
		state = CompleteCommit
	case PrepareAbort:
		state = CompleteAbort
	}
	// The epoch that the client knew is the one before.
	name := producerName{before.pid, before.epoch}
	if was, twice := r.decisions[t.id][name]; twice {
		r.fail("%+v of %s was decided twice: %s, %s", name, t.id, was, state)
	}
	r.decisions[t.id][name] = state
}

func (r *random) lastStates() map[string]State {
	states := map[string]State{}
	for _, rec := range r.bench.Records() {
		if t := r.decode(rec); t != nil {
			states[t.id] = t.state
		}
	}
	return states
}
