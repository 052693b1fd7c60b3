package group

import (
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

// requests is every request that a coordinator serves, about the group g.
func requests() []kmsg.Request {
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group = "g"
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group = "g"
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group = "g"
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "g"
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"g"}
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Groups = []string{"g"}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group = "g"
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{}}}}
	txn := kmsg.NewPtrTxnOffsetCommitRequest()
	txn.Group = "g"
	txn.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{}}}}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Group = "g"
	fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	fetch.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
	drop := kmsg.NewPtrOffsetDeleteRequest()
	drop.Group = "g"
	consumer := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	consumer.Group = "g"
	consumers := kmsg.NewPtrConsumerGroupDescribeRequest()
	consumers.Groups = []string{"g"}
	return []kmsg.Request{join, sync, beat, leave, describe, del, commit, txn, fetch, drop, consumer, consumers, kmsg.NewPtrListGroupsRequest()}
}

// TestErrorsInEveryVersion: a client of any version finds an error of the coordinator
// where it looks for one, and nothing null that must not be.
func TestErrorsInEveryVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Coordinator) {
		for _, req := range requests() {
			for v := int16(0); v <= req.MaxVersion(); v++ {
				req.SetVersion(v)
				log := coordtest.NewLog()
				log.Hold()
				log.Append((&coord.Batch{ProducerID: -1, ProducerEpoch: -1, Records: []coord.KV{{}}}).Encode(), func(int64, error) {})
				p := c.Partition("g")
				c.Elected(p, 1, log) // and stays loading
				resp, err := c.Handle(t.Context(), coord.Meta{}, req)
				if err != nil {
					t.Fatalf("%T v%d: %v", req, v, err)
				}
				checkError(t, req, resp, coord.CodeFor(req.Key(), v, kerr.CoordinatorLoadInProgress.Code))
				c.Resigned(p)
				if _, isList := req.(*kmsg.ListGroupsRequest); isList {
					continue // of no partition is a list without an error
				}
				resp, err = c.Handle(t.Context(), coord.Meta{}, req)
				if err != nil {
					t.Fatalf("%T v%d: %v", req, v, err)
				}
				checkError(t, req, resp, kerr.NotCoordinator.Code)
			}
		}
		if _, err := c.Handle(t.Context(), coord.Meta{}, kmsg.NewPtrFetchRequest()); err == nil {
			t.Error("served a request of another room")
		}
	})
}

// checkError reads the response as a client of its version does: what was not encoded
// is not there.
func checkError(t *testing.T, req kmsg.Request, resp kmsg.Response, want int16) {
	t.Helper()
	read := req.ResponseKind()
	if err := read.ReadFrom(resp.AppendTo(nil)); err != nil {
		t.Fatalf("%T v%d cannot be read: %v", resp, req.GetVersion(), err)
	}
	v := req.GetVersion()
	var got int16
	switch r := read.(type) {
	case *kmsg.JoinGroupResponse:
		got = r.ErrorCode
		if v < 7 && r.Protocol == nil {
			t.Errorf("JoinGroup v%d with a null protocol", v)
		}
	case *kmsg.ConsumerGroupHeartbeatResponse:
		got = r.ErrorCode
		if r.ErrorMessage == nil {
			t.Error("ConsumerGroupHeartbeat without a message")
		}
	case *kmsg.ConsumerGroupDescribeResponse:
		got = r.Groups[0].ErrorCode
	case *kmsg.SyncGroupResponse:
		got = r.ErrorCode
	case *kmsg.HeartbeatResponse:
		got = r.ErrorCode
	case *kmsg.LeaveGroupResponse:
		got = r.ErrorCode
	case *kmsg.ListGroupsResponse:
		got = r.ErrorCode
	case *kmsg.OffsetDeleteResponse:
		got = r.ErrorCode
	case *kmsg.DescribeGroupsResponse:
		got = r.Groups[0].ErrorCode
	case *kmsg.DeleteGroupsResponse:
		got = r.Groups[0].ErrorCode
	case *kmsg.OffsetCommitResponse:
		got = r.Topics[0].Partitions[0].ErrorCode
	case *kmsg.TxnOffsetCommitResponse:
		got = r.Topics[0].Partitions[0].ErrorCode
	case *kmsg.OffsetFetchResponse:
		switch {
		case v >= 8:
			got = r.Groups[0].ErrorCode
		case v >= 2:
			got = r.ErrorCode
		default:
			got = r.Topics[0].Partitions[0].ErrorCode
		}
	}
	if got != want {
		t.Errorf("%T v%d: code %d, want %d", resp, v, got, want)
	}
}

// TestManyPartitions: requests about several groups go to several cores and come back
// in order; a list is of all of them.
func TestManyPartitions(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Coordinator) {
		for p := range c.opts.Partitions {
			c.Elected(p, 1, coordtest.NewLog())
		}
		synctest.Wait()
		groups := []string{"e", "a", "d", "b", "c"}
		seen := map[int32]bool{}
		for _, g := range groups {
			seen[c.Partition(g)] = true
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Version, req.Group, req.Generation = 9, g, -1
			req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: int64(g[0])}}}}
			c.must(t, req)
		}
		if len(seen) < 2 {
			t.Fatal("the test's groups are all in one partition")
		}
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Version = 9
		for _, g := range groups {
			fetch.Groups = append(fetch.Groups, kmsg.OffsetFetchRequestGroup{Group: g})
		}
		for i, g := range c.must(t, fetch).(*kmsg.OffsetFetchResponse).Groups {
			if g.Group != groups[i] || g.Topics[0].Partitions[0].Offset != int64(groups[i][0]) {
				t.Errorf("group %d is %+v", i, g)
			}
		}
		list := c.must(t, kmsg.NewPtrListGroupsRequest()).(*kmsg.ListGroupsResponse)
		describe := kmsg.NewPtrDescribeGroupsRequest()
		for i, g := range list.Groups {
			if g.Group != string(rune('a'+i)) {
				t.Errorf("group %d of the list is %s", i, g.Group)
			}
			describe.Groups = append(describe.Groups, g.Group)
		}
		if got := c.must(t, describe).(*kmsg.DescribeGroupsResponse); len(got.Groups) != 5 || got.Groups[4].State != "Empty" {
			t.Errorf("described %+v", got.Groups)
		}
		if err := c.TopicsDeleted(t.Context(), []string{"t"}); err != nil {
			t.Fatal(err)
		}
		if list := c.must(t, kmsg.NewPtrListGroupsRequest()).(*kmsg.ListGroupsResponse); len(list.Groups) != 0 {
			t.Errorf("groups without offsets: %+v", list.Groups)
		}
	})
}

// TestRepliesSurviveFailedAppend: the client is told to look for the coordinator again.
func TestRepliesSurviveFailedAppend(t *testing.T) {
	inBubble(t, func(t *testing.T, c *Coordinator) {
		log := coordtest.NewLog()
		c.Elected(0, 1, log)
		c.Elected(1, 1, log)
		synctest.Wait()
		log.Fail(errors.New("disk"))
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.Generation = 9, "a", -1
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}
		checkError(t, req, c.must(t, req), kerr.NotCoordinator.Code)
	})
}

func (c *Coordinator) must(t *testing.T, req kmsg.Request) kmsg.Response {
	t.Helper()
	resp, err := c.Handle(t.Context(), coord.Meta{ClientID: "c"}, req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// inBubble runs f with a Coordinator of two partitions in virtual time.
func inBubble(t *testing.T, f func(t *testing.T, c *Coordinator)) {
	synctest.Test(t, func(t *testing.T) {
		d := core.NewDriver(core.DriverOptions{Shards: 2})
		c := NewCoordinator(Options{Partitions: 2, Driver: d, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		defer d.Close()
		defer c.Close()
		f(t, c)
	})
}
