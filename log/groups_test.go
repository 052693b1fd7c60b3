package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The offsets of a group that was never seen are -1 without an error; a client
// takes anything else for a failure.
func TestOffsetsOfAnUnknownGroup(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	for v := int16(1); v <= 9; v++ {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = "never-seen"
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = "t", []int32{0}
		req.Topics = append(req.Topics, rt)
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = "never-seen"
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = "t", []int32{0}
		g.Topics = append(g.Topics, gt)
		req.Groups = append(req.Groups, g)
		resp := ask[*kmsg.OffsetFetchResponse](w, v, req)
		if v < 8 {
			p := resp.Topics[0].Partitions[0]
			if resp.ErrorCode != 0 || p.ErrorCode != 0 || p.Offset != -1 || p.Metadata == nil || *p.Metadata != "" {
				t.Errorf("v%d: %+v", v, p)
			}
			continue
		}
		p := resp.Groups[0].Topics[0].Partitions[0]
		if resp.Groups[0].ErrorCode != 0 || p.ErrorCode != 0 || p.Offset != -1 || p.Metadata == nil || *p.Metadata != "" {
			t.Errorf("v%d: %+v", v, p)
		}
	}
}

func joinRequest(group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.ProtocolType = group, member, "consumer"
	req.SessionTimeoutMillis = 10_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte("m")
	req.Protocols = append(req.Protocols, p)
	return req
}

// From version 4 on a member first gets its id, so that one that tries again does
// not leave ghosts behind; a static member has its name for that. A rebalance
// timeout of 0 means the session timeout.
func TestJoiningAGroup(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	req := joinRequest("g", "")
	req.RebalanceTimeoutMillis = 0
	first := ask[*kmsg.JoinGroupResponse](w, 5, req)
	if first.ErrorCode != kerr.MemberIDRequired.Code || first.MemberID == "" {
		t.Fatalf("the first join: error %d, member %q", first.ErrorCode, first.MemberID)
	}
	req.MemberID = first.MemberID
	joined := ask[*kmsg.JoinGroupResponse](w, 5, req)
	if joined.ErrorCode != 0 || joined.LeaderID != first.MemberID || joined.Generation < 1 || len(joined.Members) != 1 {
		t.Fatalf("the second join: error %d, %+v", joined.ErrorCode, joined)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "g", joined.MemberID, joined.Generation
	if got := ask[*kmsg.HeartbeatResponse](w, 3, beat).ErrorCode; got != 0 && got != kerr.RebalanceInProgress.Code {
		t.Errorf("the member is gone: error %d", got)
	}
	static := joinRequest("s", "")
	static.InstanceID = new("one")
	if got := ask[*kmsg.JoinGroupResponse](w, 5, static); got.ErrorCode != 0 {
		t.Errorf("a static member: error %d", got.ErrorCode)
	}
	if got := ask[*kmsg.JoinGroupResponse](w, 3, joinRequest("old", "")); got.ErrorCode != 0 {
		t.Errorf("version 3: error %d", got.ErrorCode)
	}
}
