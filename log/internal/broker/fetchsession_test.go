package broker

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessionCall is a caller with so much memory to decode requests.
func sessionCall(b *Broker, principal string) *call {
	return &call{Broker: b, caller: &Caller{Principal: principal}}
}

// fullFetch asks for the first partitions of a topic, and for a session.
func fullFetch(partitions int) (*kmsg.FetchRequest, *kmsg.FetchResponse) {
	req, resp := kmsg.NewPtrFetchRequest(), kmsg.NewPtrFetchResponse()
	req.Version, req.SessionEpoch, resp.Version = 12, 0, 12
	rt, pt := kmsg.NewFetchRequestTopic(), kmsg.NewFetchResponseTopic()
	rt.Topic, pt.Topic = "t", "t"
	for p := range partitions {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition = int32(p)
		rt.Partitions = append(rt.Partitions, rp)
		pt.Partitions = append(pt.Partitions, newFetchResponsePartition(int32(p)))
	}
	req.Topics, resp.Topics = append(req.Topics, rt), append(resp.Topics, pt)
	return req, resp
}

// open has a client ask in full; it is the session's id, or 0.
func (s *fetchSessions) open(c *call, partitions int) int32 {
	req, resp := fullFetch(partitions)
	s.leave(nil, c.caller.Principal, req, resp)
	return resp.SessionID
}

// next goes on with a session.
func (s *fetchSessions) next(c *call, id, epoch int32) (*fetchSession, *kerr.Error) {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch = 12, id, epoch
	return s.enter(c, req)
}

// TestFetchSessionsAreBounded: there are so many sessions and so many partitions in them;
// one that rests long enough gives way, and one that is busy does not.
func TestFetchSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Broker{decodeMemory: newMemory(1 << 30)}
		c, s := sessionCall(b, "User:a"), &b.fetchSessions
		first := s.open(c, 1)
		for range maxFetchSessions - 1 {
			if s.open(c, 1) == 0 {
				t.Fatal("there is room, and no session")
			}
		}
		if s.open(c, 1) != 0 {
			t.Fatalf("more than %d sessions", maxFetchSessions)
		}
		busy, err := s.next(c, first, 1)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(sessionRest)
		if s.open(c, 1) == 0 {
			t.Fatal("all but one rest, and none gives way")
		}
		s.leave(busy, "User:a", &kmsg.FetchRequest{}, &kmsg.FetchResponse{})
		if _, err := s.next(c, first, 2); err != nil {
			t.Fatalf("the busy one: %v", err)
		}
		if s.open(c, maxSessionPartitions+1) != 0 {
			t.Fatalf("a session of more than %d partitions", maxSessionPartitions)
		}
		time.Sleep(sessionRest)
		if s.open(c, maxSessionPartitions-1) == 0 || len(s.byID) != 2 || s.partitions != maxSessionPartitions {
			t.Fatalf("%d sessions with %d partitions", len(s.byID), s.partitions)
		}
	})
}

// TestFetchSessionsOwner: nobody goes on with, or ends, another's session.
func TestFetchSessionsOwner(t *testing.T) {
	b := &Broker{decodeMemory: newMemory(1 << 20)}
	alice, bob := sessionCall(b, "User:alice"), sessionCall(b, "User:bob")
	s := &b.fetchSessions
	id := s.open(alice, 3)
	if _, err := s.next(bob, id, 1); err != kerr.FetchSessionIDNotFound {
		t.Errorf("another's session: %v", err)
	}
	if _, err := s.next(bob, id, -1); err != nil {
		t.Errorf("the end of another's session: %v", err)
	}
	fs, err := s.next(alice, id, 1)
	if err != nil || len(fs.parts) != 3 {
		t.Fatalf("%v", err)
	}
	if _, err := s.next(alice, id, 2); err != kerr.InvalidFetchSessionEpoch {
		t.Errorf("two requests at once: %v", err)
	}
	s.abandon(fs)
	if _, err := s.next(alice, id, 2); err != kerr.FetchSessionIDNotFound {
		t.Errorf("after a request whose answer was not sent: %v", err)
	}
}

// TestFetchSessionsPayForTheirAnswers: a small request of a large session takes memory as
// the answer does, and does not wait for it.
func TestFetchSessionsPayForTheirAnswers(t *testing.T) {
	b := &Broker{decodeMemory: newMemory(100 * sessionAnswerBytes)}
	c := sessionCall(b, "User:a")
	s := &b.fetchSessions
	small, large := s.open(c, 60), s.open(c, 60)
	if _, err := s.next(c, small, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.next(c, large, 1); err != kerr.FetchSessionIDNotFound {
		t.Errorf("without memory: %v", err)
	}
	if s.partitions != 60 || len(s.byID) != 1 {
		t.Errorf("%d sessions with %d partitions", len(s.byID), s.partitions)
	}
	c.releaseLoans()
	if free := b.decodeMemory.free; free != b.decodeMemory.capacity {
		t.Errorf("%d of %d bytes are free", free, b.decodeMemory.capacity)
	}
}

// TestFetchSessionsKeepNoLongNames: a session was bounded by partitions, and each could
// have a name of 32 KiB that no topic has: with a few requests a client had the node keep
// gigabytes for good.
func TestFetchSessionsKeepNoLongNames(t *testing.T) {
	b := &Broker{decodeMemory: newMemory(1 << 20)}
	c, s := sessionCall(b, "User:a"), &b.fetchSessions
	req, resp := fullFetch(1)
	req.Topics[0].Topic = strings.Repeat("x", maxSessionTopicName+1)
	s.leave(nil, "User:a", req, resp)
	if resp.SessionID != 0 || s.partitions != 0 {
		t.Errorf("at first: session %d, %d partitions", resp.SessionID, s.partitions)
	}
	req.SessionID, req.SessionEpoch = s.open(c, 1), 1
	if _, err := s.enter(c, req); err != kerr.FetchSessionIDNotFound || s.partitions != 0 {
		t.Errorf("later: %v, %d partitions", err, s.partitions)
	}
}

// TestFetchSessionsEpochs: only 0 and -1 stand for all partitions. An epoch below them
// ended the session, and was answered in full.
func TestFetchSessionsEpochs(t *testing.T) {
	b := &Broker{decodeMemory: newMemory(1 << 20)}
	c, s := sessionCall(b, "User:a"), &b.fetchSessions
	id := s.open(c, 1)
	for _, epoch := range []int32{-2, math.MinInt32} {
		if _, err := s.next(c, 0, epoch); err != kerr.FetchSessionIDNotFound {
			t.Errorf("no session, epoch %d: %v", epoch, err)
		}
		if _, err := s.next(c, id, epoch); err != kerr.InvalidFetchSessionEpoch {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
	s.byID[id].epoch = math.MaxInt32
	for _, epoch := range []int32{math.MaxInt32, 1, 2} {
		fs, err := s.next(c, id, epoch)
		if err != nil {
			t.Fatalf("epoch %d: %v", epoch, err)
		}
		_, resp := fullFetch(1)
		s.leave(fs, "User:a", &kmsg.FetchRequest{}, resp)
	}
}

// TestFetchSessionsEndWhileBusy: a client that was cut off in the middle of a long poll
// comes back and ends its session, while the node still works on its last request. That
// session stayed, and took somebody's place.
func TestFetchSessionsEndWhileBusy(t *testing.T) {
	b := &Broker{decodeMemory: newMemory(1 << 20)}
	c, s := sessionCall(b, "User:a"), &b.fetchSessions
	for _, answered := range []bool{true, false} {
		id := s.open(c, 3)
		fs, err := s.next(c, id, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.next(c, id, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := s.next(c, id, 2); err != kerr.FetchSessionIDNotFound {
			t.Errorf("after its end: %v", err)
		}
		_, resp := fullFetch(3)
		if answered {
			s.leave(fs, "User:a", &kmsg.FetchRequest{}, resp)
		} else {
			s.abandon(fs)
		}
		if len(s.byID) != 0 || s.partitions != 0 || resp.SessionID != 0 {
			t.Errorf("%d sessions, %d partitions, and the answer names session %d", len(s.byID), s.partitions, resp.SessionID)
		}
	}
}

// TestFetchSessionsFromHandToHand: a client that does not wait for its answer sends the
// next request of a session on another connection. The end of the first request's handler
// took the session from the second one, which was working with it.
func TestFetchSessionsFromHandToHand(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	s := &b.fetchSessions
	id := s.open(sessionCall(b, "User:a"), 1)
	var wg sync.WaitGroup
	var failed atomic.Bool
	for first := range int32(2) {
		wg.Go(func() {
			for epoch := 1 + first; epoch <= 1000 && !failed.Load(); {
				c, req := sessionCall(b, "User:a"), kmsg.NewPtrFetchRequest()
				req.Version, req.SessionID, req.SessionEpoch = 12, id, epoch
				resp, err := fetch(t.Context(), c, req)
				c.releaseLoans()
				switch code := resp.(*kmsg.FetchResponse).ErrorCode; {
				case err == nil && code == 0:
					epoch += 2
				case err != nil || code != kerr.InvalidFetchSessionEpoch.Code:
					failed.Store(true)
					t.Errorf("epoch %d: %v, error %d", epoch, err, code)
				}
			}
		})
	}
	wg.Wait()
	if s.partitions != 1 || len(s.byID) != 1 {
		t.Errorf("%d sessions with %d partitions", len(s.byID), s.partitions)
	}
}
