package log

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/record"
)

// reader is a client with a fetch session: what it wants, how far it has come, and what
// it has not told the node yet.
type reader struct {
	w       *wire
	version int16
	ids     map[string][16]byte
	session int32
	epoch   int32

	next    map[spot]int64 // the offset to go on from
	high    map[spot]int64 // as it was told
	changed map[spot]bool
	forget  map[spot]bool
}

type spot struct {
	topic     string
	partition int32
}

func newReader(w *wire, version int16, topics ...string) *reader {
	r := &reader{w: w, version: version, ids: map[string][16]byte{}, next: map[spot]int64{}, high: map[spot]int64{}, changed: map[spot]bool{}, forget: map[spot]bool{}}
	for _, t := range topics {
		r.ids[t] = topicID(w, t)
	}
	return r
}

func (r *reader) want(p spot, offset int64) {
	r.next[p], r.changed[p] = offset, true
	delete(r.forget, p)
}

func (r *reader) drop(p spot) {
	delete(r.next, p)
	delete(r.changed, p)
	r.forget[p] = true
}

// request names what has changed, or everything.
func (r *reader) request() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionID, req.SessionEpoch = 1<<20, r.session, r.epoch
	for p, offset := range r.next {
		if r.epoch == 0 || r.changed[p] {
			one := fetchRequest(p.topic, r.ids[p.topic], offset).Topics[0]
			one.Partitions[0].Partition = p.partition
			req.Topics = append(req.Topics, one)
		}
	}
	for p := range r.forget {
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Topic, f.TopicID, f.Partitions = p.topic, r.ids[p.topic], []int32{p.partition}
		if r.epoch > 0 {
			req.ForgottenTopics = append(req.ForgottenTopics, f)
		}
	}
	return req
}

// poll asks, takes the answer in, and returns the places that it was about.
func (r *reader) poll(t *testing.T, req *kmsg.FetchRequest) map[spot]*kmsg.FetchResponseTopicPartition {
	t.Helper()
	resp := ask[*kmsg.FetchResponse](r.w, r.version, req)
	if resp.ErrorCode != 0 {
		t.Fatalf("v%d, session %d, epoch %d: %v", r.version, r.session, r.epoch, kerr.ErrorForCode(resp.ErrorCode))
	}
	if r.epoch > 0 && resp.SessionID != r.session {
		t.Fatalf("session %d instead of %d", resp.SessionID, r.session)
	}
	r.session = resp.SessionID
	r.epoch++
	clear(r.changed)
	clear(r.forget)
	told := map[spot]*kmsg.FetchResponseTopicPartition{}
	for i := range resp.Topics {
		rt := &resp.Topics[i]
		name := rt.Topic
		for topic, id := range r.ids {
			if r.version >= 13 && id == rt.TopicID {
				name = topic
			}
		}
		for j := range rt.Partitions {
			p, rp := spot{name, rt.Partitions[j].Partition}, &rt.Partitions[j]
			if told[p] != nil {
				t.Fatalf("%v is in the answer twice", p)
			}
			told[p] = rp
			if rp.ErrorCode == 0 {
				r.high[p] = rp.HighWatermark
			}
			for rest := rp.RecordBatches; len(rest) > 0; {
				h, err := record.Check(rest, record.Limits{})
				if err != nil || h.LastOffset() < r.next[p] {
					t.Fatalf("%v from %d: %v at %d", p, r.next[p], err, h.BaseOffset)
				}
				r.want(p, h.LastOffset()+1)
				rest = rest[h.Size():]
			}
		}
	}
	return told
}

// TestFetchSession: in a session a request names what has changed, and so does the
// answer, in every version.
func TestFetchSession(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "a", 2, nil)
	createTopic(t, addr, "b", 1, nil)
	w := dial(t, addr)
	r := newReader(w, 0, "a", "b")
	write := func(p spot) {
		t.Helper()
		req := produceRequest(p.topic, r.ids[p.topic], batchOf(record.Plain(), [2]string{"k", "v"}))
		req.Topics[0].Partitions[0].Partition = p.partition
		if p := produced(ask[*kmsg.ProduceResponse](w, 11, req)); p.ErrorCode != 0 {
			t.Fatalf("error %d", p.ErrorCode)
		}
	}
	all := []spot{{"a", 0}, {"a", 1}, {"b", 0}}
	for r.version = 7; r.version <= 18; r.version++ {
		r.session, r.epoch = 0, 0
		for _, p := range all {
			r.want(p, 0)
		}
		if told := r.poll(t, r.request()); len(told) != 3 || r.session == 0 {
			t.Fatalf("v%d: at first %d partitions, session %d", r.version, len(told), r.session)
		}
		if told := r.poll(t, r.request()); len(told) != 0 {
			t.Fatalf("v%d: %v again", r.version, told)
		}
		write(all[1])
		req := r.request()
		req.MaxWaitMillis, req.MinBytes = 10_000, 1
		if told := r.poll(t, req); len(told) != 1 || len(told[all[1]].RecordBatches) == 0 {
			t.Fatalf("v%d: one partition has got something, told of %v", r.version, told)
		}
		r.drop(all[1])
		write(all[1])
		write(all[2])
		if told := r.poll(t, r.request()); len(told) != 1 || len(told[all[2]].RecordBatches) == 0 {
			t.Fatalf("v%d: one partition was forgotten and another has got something, told of %v", r.version, told)
		}
		for _, c := range []struct {
			why            string
			session, epoch int32
			version        int16
			want           *kerr.Error
		}{
			{"an epoch too low", r.session, r.epoch - 1, r.version, kerr.InvalidFetchSessionEpoch},
			{"an epoch too high", r.session, r.epoch + 1, r.version, kerr.InvalidFetchSessionEpoch},
			{"no such session", r.session ^ 1, r.epoch, r.version, kerr.FetchSessionIDNotFound},
			{"names and ids", r.session, r.epoch, 7 + 18 - r.version, kerr.FetchSessionTopicIDError},
		} {
			req := kmsg.NewPtrFetchRequest()
			req.SessionID, req.SessionEpoch = c.session, c.epoch
			if resp := ask[*kmsg.FetchResponse](w, c.version, req); resp.ErrorCode != c.want.Code || resp.SessionID != 0 || len(resp.Topics) != 0 {
				t.Errorf("v%d, %s: error %d, session %d, %d topics", r.version, c.why, resp.ErrorCode, resp.SessionID, len(resp.Topics))
			}
		}
		r.poll(t, r.request()) // nothing of this has hurt it
		end := r.request()
		end.SessionEpoch = -1
		if resp := ask[*kmsg.FetchResponse](w, r.version, end); resp.ErrorCode != 0 || resp.SessionID != 0 {
			t.Errorf("v%d: the end: error %d, session %d", r.version, resp.ErrorCode, resp.SessionID)
		}
		if resp := ask[*kmsg.FetchResponse](w, r.version, r.request()); resp.ErrorCode != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("v%d: after the end: error %d", r.version, resp.ErrorCode)
		}
	}
}

// TestFetchSessionOfAPartitionThatGoes: a session does not hide what happens to what is in
// it, and says so in every answer.
func TestFetchSessionOfAPartitionThatGoes(t *testing.T) {
	for _, version := range []int16{12, 18} {
		_, addr := newNode(t)
		createTopic(t, addr, "a", 1, nil)
		createTopic(t, addr, "b", 1, nil)
		r := newReader(dial(t, addr), version, "a", "b")
		r.want(spot{"a", 0}, 0)
		r.want(spot{"b", 0}, 0)
		r.poll(t, r.request())
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TimeoutMillis, del.TopicNames = 10_000, []string{"a"}
		if resp := ask[*kmsg.DeleteTopicsResponse](r.w, 5, del); resp.Topics[0].ErrorCode != 0 {
			t.Fatalf("error %d", resp.Topics[0].ErrorCode)
		}
		for range 2 {
			if told := r.poll(t, r.request()); len(told) != 1 || told[spot{"a", 0}].ErrorCode == 0 {
				t.Fatalf("v%d: told of %v", version, told)
			}
		}
	}
}

// TestFetchSessionGivesEachItsShare: a busy partition does not keep the others of a
// session from being read when an answer is full.
func TestFetchSessionGivesEachItsShare(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 3, nil)
	w := dial(t, addr)
	r := newReader(w, 17, "t")
	batch := batchOf(record.Plain(), [2]string{"k", "v"})
	for p := range int32(3) {
		for range 4 {
			req := produceRequest("t", r.ids["t"], batch)
			req.Topics[0].Partitions[0].Partition = p
			ask[*kmsg.ProduceResponse](w, 11, req)
		}
		r.want(spot{"t", p}, 0)
	}
	for i := range 12 {
		req := r.request()
		req.MaxBytes = int32(len(batch)) // one in each answer
		r.poll(t, req)
		most, least := int64(0), int64(100)
		for p := range int32(3) {
			most, least = max(most, r.next[spot{"t", p}]), min(least, r.next[spot{"t", p}])
		}
		if most-least > 1 {
			t.Fatalf("after %d answers one partition was read up to %d, another up to %d", i+1, most, least)
		}
	}
}

// TestFetchSessionSeesEverything: whatever is written, wanted and forgotten, the client
// of a session knows after each answer what one without would know.
func TestFetchSessionSeesEverything(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	_, addr := newNode(t)
	const topics, partitions = 3, 5
	var names []string
	for i := range topics {
		names = append(names, fmt.Sprint("t", i))
		createTopic(t, addr, names[i], partitions, nil)
	}
	w := dial(t, addr)
	r := newReader(w, 7+int16(rng.IntN(12)), names...)
	ends := map[spot]int64{}
	somewhere := func() spot { return spot{names[rng.IntN(topics)], rng.Int32N(partitions)} }
	r.want(somewhere(), 0)
	for step := range 400 {
		for range rng.IntN(4) {
			p := somewhere()
			switch rng.IntN(8) {
			case 0:
				if len(r.next) > 1 {
					r.drop(p)
				}
			case 1, 2:
				r.want(p, rng.Int64N(ends[p]+1))
			default:
				req := produceRequest(p.topic, r.ids[p.topic], batchOf(record.Plain(), [2]string{"k", "v"}))
				req.Topics[0].Partitions[0].Partition = p.partition
				if produced(ask[*kmsg.ProduceResponse](w, 11, req)).ErrorCode == 0 {
					ends[p]++
				}
			}
		}
		if len(r.next) == 0 {
			r.want(somewhere(), 0)
		}
		if rng.IntN(50) == 0 {
			r.epoch = 0 // the client has lost its answer and begins anew
		}
		req := r.request()
		if r.epoch == 0 {
			clear(r.forget)
		}
		r.poll(t, req)
		for p, next := range r.next {
			if next != ends[p] || r.high[p] != ends[p] {
				t.Fatalf("v%d, step %d: %v was read up to %d, its high watermark is said to be %d, it ends at %d", r.version, step, p, next, r.high[p], ends[p])
			}
		}
	}
}
