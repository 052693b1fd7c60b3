package group

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
)

var seedFlag = flag.Uint64("group.seed", 0, "run random operations of this seed only")

// TestRandomOffsets commits, reads and deletes offsets at random, in and out of
// transactions, through crashes and failed appends, and compares every answer with a
// model that reads the whole log from the start each time.
func TestRandomOffsets(t *testing.T) {
	first, last := uint64(1), uint64(60)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		r := newRandom(seed)
		for i := range 400 {
			if r.step(); r.failure != "" {
				t.Fatalf("seed %d, step %d: %s\nagain with -group.seed %d", seed, i, r.failure, seed)
			}
		}
	}
}

type random struct {
	rng     *rand.Rand
	bench   *coordtest.Bench
	n       uint64
	epochs  map[int64]int16        // of producers, as their coordinator has them
	fetches map[uint64]expectation // by request
	commits map[uint64]*kmsg.OffsetCommitRequest
	zombies map[uint64]bool // transactional commits, and whether they must be refused
	failure string
}

// expectation is what a fetch must be answered.
type expectation struct {
	key    offsetKey
	offset int64
	code   int16
}

func newRandom(seed uint64) *random {
	r := &random{rng: rand.New(rand.NewPCG(seed, 3)), epochs: map[int64]int16{}, fetches: map[uint64]expectation{},
		commits: map[uint64]*kmsg.OffsetCommitRequest{}, zombies: map[uint64]bool{}}
	lives := uint64(0)
	r.bench = &coordtest.Bench{OnReply: r.reply, New: func() coord.Replayable {
		lives++
		return NewCore(Config{}, start, rand.New(rand.NewPCG(lives, 1)))
	}}
	r.bench.Start()
	return r
}

func (r *random) fail(format string, args ...any) {
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
}

func (r *random) key() offsetKey {
	return offsetKey{string(rune('g' + r.rng.IntN(2))), string(rune('t' + r.rng.IntN(2))), int32(r.rng.IntN(2))}
}

func (r *random) step() {
	switch k := r.rng.IntN(40); {
	case k < 10:
		r.commit()
	case k < 17:
		r.txnCommit()
	case k < 22:
		r.marker()
	case k < 32:
		r.fetch()
	case k < 33:
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{r.key().group}
		r.request(req)
	case k < 34:
		r.deleteOffset()
	case k < 35:
		r.n++
		r.bench.Input(TopicsDeleted{ID: r.n, Names: []string{r.key().topic}})
	case k < 36:
		r.bench.Advance(time.Duration(r.rng.IntN(10_000)) * time.Millisecond)
	case k < 37:
		r.bench.Hold = !r.bench.Hold
	case k < 39:
		r.bench.Commit(r.rng.IntN(3))
	default:
		if r.bench.Held() > 0 && r.rng.IntN(2) == 0 {
			r.bench.Fail(r.rng.IntN(r.bench.Held() + 1))
		}
		r.bench.Start()
	}
}

func (r *random) request(req kmsg.Request) {
	r.n++
	r.bench.Input(coord.Request{ID: r.n, Body: req})
}

func (r *random) commit() {
	k := r.key()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 9, k.group, -1
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = k.partition, r.rng.Int64N(1000)
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: k.topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	r.commits[r.n+1] = req
	r.request(req)
}

func (r *random) txnCommit() {
	k, pid := r.key(), r.rng.Int64N(3)
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 5, k.group, -1
	req.ProducerID, req.ProducerEpoch = pid, r.epochs[pid]
	if r.rng.IntN(5) == 0 {
		req.ProducerEpoch = max(0, req.ProducerEpoch-1) // a zombie
	}
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = k.partition, r.rng.Int64N(1000)
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: k.topic, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
	for _, rec := range r.bench.Logged() {
		if rec.Transactional && rec.ProducerID == pid && rec.ProducerEpoch > req.ProducerEpoch {
			r.zombies[r.n+1] = true
		}
	}
	r.request(req)
}

func (r *random) marker() {
	pid := r.rng.Int64N(3)
	if r.rng.IntN(4) > 0 {
		r.epochs[pid]++ // else a repetition
	}
	r.n++
	r.bench.Input(WriteMarker{ID: r.n, Marker: coord.Marker{ProducerID: pid, ProducerEpoch: r.epochs[pid], Commit: r.epochs[pid]%3 > 0, Version: 2}})
}

func (r *random) deleteOffset() {
	k := r.key()
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = k.group
	req.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: k.topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: k.partition}}}}
	r.request(req)
}

// fetch asks for one offset and notes what the model says, from everything that is in
// the log now.
func (r *random) fetch() {
	k := r.key()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = 9, r.rng.IntN(2) == 0
	req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: k.group,
		Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: k.topic, Partitions: []int32{k.partition}}}}}
	want := expectation{key: k, offset: -1}
	visible, pending := readLog(r.bench.Logged(), k)
	switch {
	case req.RequireStable && pending:
		want.code = kerr.UnstableOffsetCommit.Code
	case visible != nil:
		want.offset = visible.offset
	}
	r.fetches[r.n+1] = want
	r.request(req)
}

func (r *random) reply(id uint64, resp any, err error) {
	if err != nil {
		return
	}
	switch resp := resp.(type) {
	case *kmsg.OffsetFetchResponse:
		p, want := resp.Groups[0].Topics[0].Partitions[0], r.fetches[id]
		if p.Offset != want.offset || p.ErrorCode != want.code {
			r.fail("fetch of %+v: offset %d, code %d", want, p.Offset, p.ErrorCode)
		}
		r.checkShown(want)
	case *kmsg.TxnOffsetCommitResponse:
		refused := resp.Topics[0].Partitions[0].ErrorCode == kerr.InvalidProducerEpoch.Code
		if refused != r.zombies[id] {
			r.fail("transactional commit of a zombie: %t, refused: %t", r.zombies[id], refused)
		}
	case *kmsg.OffsetCommitResponse:
		if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
			r.fail("commit refused: %v", kerr.ErrorForCode(code))
		}
		req := r.commits[id]
		k := offsetKey{req.Group, req.Topics[0].Topic, req.Topics[0].Partitions[0].Partition}
		if !inLog(r.bench.Records(), k, req.Topics[0].Partitions[0].Offset) {
			r.fail("commit of %+v was answered before it was committed", k)
		}
	}
}

// checkShown: what was shown is what the committed part of the log says, so that no
// failure can take it back.
func (r *random) checkShown(e expectation) {
	visible, _ := readLog(r.bench.Records(), e.key)
	if e.offset >= 0 && (visible == nil || visible.offset != e.offset) {
		r.fail("offset %d of %+v was shown before that was committed", e.offset, e.key)
	}
}

func inLog(records []coord.Record, k offsetKey, offset int64) bool {
	for _, rec := range records {
		if rec.Control || rec.Value == nil {
			continue
		}
		if got, isGroup, _, _ := decodeKey(rec.Key); !isGroup && got == k {
			if o, err := decodeOffset(rec.Value); err == nil && o.offset == offset {
				return true
			}
		}
	}
	return false
}

// readLog is the model: the offset of a key that a reader of the log finds, and
// whether a transaction that is not decided may change it.
func readLog(records []coord.Record, k offsetKey) (visible *committed, pending bool) {
	type attempt struct {
		offset  committed
		at      int
		open    bool
		pid     int64
		counted bool
	}
	var attempts []attempt
	for i, rec := range records {
		if rec.Control {
			for j, a := range attempts {
				if a.open && a.pid == rec.ProducerID {
					attempts[j].open, attempts[j].counted = false, rec.Commit
				}
			}
			continue
		}
		got, isGroup, _, _ := decodeKey(rec.Key)
		if isGroup || got != k {
			continue
		}
		if rec.Value == nil {
			attempts = nil
			continue
		}
		o, _ := decodeOffset(rec.Value)
		if rec.Transactional {
			for j, a := range attempts { // a later one of the same transaction replaces it
				if a.open && a.pid == rec.ProducerID {
					attempts[j].open = false
				}
			}
		}
		attempts = append(attempts, attempt{o, i, rec.Transactional, rec.ProducerID, !rec.Transactional})
	}
	for i, a := range attempts {
		pending = pending || a.open
		if a.counted {
			visible = &attempts[i].offset
		}
	}
	return visible, pending
}
