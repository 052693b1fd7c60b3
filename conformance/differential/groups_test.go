package differential

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// member is the group's member as the side knows it; shift makes its generation wrong.
func (s *side) member(group string, shift int32) (id string, generation int32) {
	m := s.members[group]
	if m == nil {
		return "", -1
	}
	return m.id, m.generation + shift
}

func (d drawer) shift() int32 {
	if d.rarely() {
		return int32(d.IntN(3)) - 1
	}
	return 0
}

func commit(d drawer) op {
	group, topic, partition, offset, gen, shift := d.group(), d.topic(), d.partition(), int64(d.IntN(10)), d.generation(), d.shift()
	return op{fmt.Sprintf("commit %s %s/%d=%d generation%+d gen=%d", group, topic, partition, offset, shift, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group = group
		req.MemberID, req.Generation = s.member(group, shift)
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic, rt.TopicID = topic, s.topics[topic]
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.Metadata = partition, offset, kmsg.StringPtr("m")
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.OffsetCommitResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		return code(resp.Topics[0].Partitions[0].ErrorCode)
	}}
}

func fetchOffsets(d drawer) op {
	group, topic, partition, gen := d.group(), d.topic(), d.partition(), d.generation()
	return op{fmt.Sprintf("offsets %s %s/%d gen=%d", group, topic, partition, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = group
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = topic, []int32{partition}
		req.Topics = append(req.Topics, rt)
		rg := kmsg.NewOffsetFetchRequestGroup()
		rg.Group = group
		rgt := kmsg.NewOffsetFetchRequestGroupTopic()
		rgt.Topic, rgt.TopicID, rgt.Partitions = topic, s.topics[topic], []int32{partition}
		rg.Topics = append(rg.Topics, rgt)
		req.Groups = append(req.Groups, rg)
		resp, err := ask[*kmsg.OffsetFetchResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		if resp.Version >= 8 {
			g := resp.Groups[0]
			if g.ErrorCode != 0 || len(g.Topics) == 0 {
				return fmt.Sprint("group ", code(g.ErrorCode))
			}
			p := g.Topics[0].Partitions[0]
			return fmt.Sprint(code(p.ErrorCode), " ", p.Offset, " ", text(p.Metadata))
		}
		if resp.ErrorCode != 0 || len(resp.Topics) == 0 {
			return fmt.Sprint("group ", code(resp.ErrorCode))
		}
		p := resp.Topics[0].Partitions[0]
		return fmt.Sprint(code(p.ErrorCode), " ", p.Offset, " ", text(p.Metadata))
	}}
}

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *s)
}

// A group has at most one member, so that nothing waits for somebody else. It always has
// "range": here a lone member may change all of its protocols, elsewhere not.
func join(d drawer) op {
	group, gen := d.group(), d.generation()
	protocols := [][]string{{"range"}, {"range", "sticky"}, {"sticky", "range"}}[d.IntN(3)]
	return op{fmt.Sprintf("join %s %v gen=%d", group, protocols, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = group, 30_000, 30_000, "consumer"
		req.MemberID, _ = s.member(group, 0)
		for _, p := range protocols {
			rp := kmsg.NewJoinGroupRequestProtocol()
			rp.Name, rp.Metadata = p, []byte(p)
			req.Protocols = append(req.Protocols, rp)
		}
		resp, err := ask[*kmsg.JoinGroupResponse](ctx, s, gen, req)
		if err == nil && code(resp.ErrorCode) == "MEMBER_ID_REQUIRED" {
			req.MemberID = resp.MemberID
			resp, err = ask[*kmsg.JoinGroupResponse](ctx, s, gen, req)
		}
		if err != nil {
			return err.Error()
		}
		if resp.ErrorCode != 0 {
			return code(resp.ErrorCode)
		}
		s.members[group] = &member{resp.MemberID, resp.Generation, *resp.Protocol}
		return fmt.Sprint("ok generation=", resp.Generation, " protocol=", text(resp.Protocol), " leads=", resp.LeaderID == resp.MemberID, " members=", len(resp.Members))
	}}
}

func syncGroup(d drawer) op {
	group, gen, shift := d.group(), d.generation(), d.shift()
	return op{fmt.Sprintf("sync %s generation%+d gen=%d", group, shift, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group = group
		req.MemberID, req.Generation = s.member(group, shift)
		kind, protocol := "consumer", "range" // from version 5 on neither can be left out
		if m := s.members[group]; m != nil {
			protocol = m.protocol
		}
		req.ProtocolType, req.Protocol = &kind, &protocol
		ra := kmsg.NewSyncGroupRequestGroupAssignment()
		ra.MemberID, ra.MemberAssignment = req.MemberID, fmt.Appendf(nil, "assigned in %d", req.Generation)
		req.GroupAssignment = append(req.GroupAssignment, ra)
		resp, err := ask[*kmsg.SyncGroupResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s %q", code(resp.ErrorCode), resp.MemberAssignment)
	}}
}

func heartbeat(d drawer) op {
	group, gen, shift := d.group(), d.generation(), d.shift()
	return op{fmt.Sprintf("heartbeat %s generation%+d gen=%d", group, shift, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group = group
		req.MemberID, req.Generation = s.member(group, shift)
		resp, err := ask[*kmsg.HeartbeatResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		return code(resp.ErrorCode)
	}}
}

func leave(d drawer) op {
	group, gen := d.group(), d.generation()
	return op{fmt.Sprintf("leave %s gen=%d", group, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group = group
		req.MemberID, _ = s.member(group, 0)
		rm := kmsg.NewLeaveGroupRequestMember()
		rm.MemberID = req.MemberID
		req.Members = append(req.Members, rm)
		delete(s.members, group)
		resp, err := ask[*kmsg.LeaveGroupResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		out := code(resp.ErrorCode)
		for _, m := range resp.Members {
			out += " " + code(m.ErrorCode)
		}
		return out
	}}
}

func deleteGroup(d drawer) op {
	group := d.deleted()
	return op{"deletegroup " + group, func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{group}
		resp, err := ask[*kmsg.DeleteGroupsResponse](ctx, s, newest, req)
		if err != nil {
			return err.Error()
		}
		s.keep(ctx, group)
		return code(resp.Groups[0].ErrorCode)
	}}
}

// keep commits an offset for a group where no request of the sequence goes. A group
// without members and offsets is gone here at once, in Kafka and kfake some time later.
func (s *side) keep(ctx context.Context, group string) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.TopicID = "keep", s.topics["keep"]
	rt.Partitions = append(rt.Partitions, kmsg.NewOffsetCommitRequestTopicPartition())
	req.Topics = append(req.Topics, rt)
	if _, err := ask[*kmsg.OffsetCommitResponse](ctx, s, newest, req); err != nil {
		s.t.Fatal(err)
	}
}

func deleteOffsets(d drawer) op {
	group, topic, partition := d.deleted(), d.topic(), d.partition()
	return op{fmt.Sprintf("deleteoffset %s %s/%d", group, topic, partition), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		rt := kmsg.NewOffsetDeleteRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewOffsetDeleteRequestTopicPartition()
		rp.Partition = partition
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := ask[*kmsg.OffsetDeleteResponse](ctx, s, newest, req)
		if err != nil {
			return err.Error()
		}
		if resp.ErrorCode != 0 || len(resp.Topics) == 0 {
			return fmt.Sprint("group ", code(resp.ErrorCode))
		}
		return code(resp.Topics[0].Partitions[0].ErrorCode)
	}}
}

func describeGroup(d drawer) op {
	group, gen := d.group(), d.generation()
	return op{fmt.Sprintf("describe %s gen=%d", group, gen), func(ctx context.Context, s *side) string {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{group}
		resp, err := ask[*kmsg.DescribeGroupsResponse](ctx, s, gen, req)
		if err != nil {
			return err.Error()
		}
		g := resp.Groups[0]
		return fmt.Sprint(code(g.ErrorCode), " ", g.State, " type=", g.ProtocolType, " protocol=", g.Protocol, " members=", len(g.Members))
	}}
}

func listGroups(d drawer) op {
	gen := d.generation()
	return op{fmt.Sprintf("groups gen=%d", gen), func(ctx context.Context, s *side) string {
		resp, err := ask[*kmsg.ListGroupsResponse](ctx, s, gen, kmsg.NewPtrListGroupsRequest())
		if err != nil {
			return err.Error()
		}
		var ids []string
		for _, g := range resp.Groups {
			ids = append(ids, fmt.Sprintf("%s %s %q", g.Group, g.GroupState, g.ProtocolType))
		}
		slices.Sort(ids)
		return fmt.Sprint(code(resp.ErrorCode), ids)
	}}
}
