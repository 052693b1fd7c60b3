package broker

import (
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
