package group

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// Handle serves JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups,
// ListGroups, DeleteGroups, OffsetCommit, OffsetFetch, OffsetDelete, TxnOffsetCommit,
// ConsumerGroupHeartbeat and ConsumerGroupDescribe. It may block as long as the protocol says (JoinGroup, SyncGroup).
// An error means that ctx has ended; everything else is an error code in the response.
func (c *Coordinator) Handle(ctx context.Context, meta coord.Meta, req kmsg.Request) (kmsg.Response, error) {
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.SyncGroupRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.HeartbeatRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.LeaveGroupRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.OffsetCommitRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.TxnOffsetCommitRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.OffsetDeleteRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.OffsetFetchRequest:
		if req.Version < 8 {
			return c.ofGroup(ctx, meta, req, req.Group)
		}
		return c.fetchGroups(ctx, meta, req)
	case *kmsg.ConsumerGroupHeartbeatRequest:
		return c.ofGroup(ctx, meta, req, req.Group)
	case *kmsg.DescribeGroupsRequest:
		return c.describeGroups(ctx, meta, req)
	case *kmsg.ConsumerGroupDescribeRequest:
		return c.describeConsumers(ctx, meta, req)
	case *kmsg.DeleteGroupsRequest:
		return c.deleteGroups(ctx, meta, req)
	case *kmsg.ListGroupsRequest:
		return c.listGroups(ctx, meta, req)
	}
	return nil, fmt.Errorf("group coordinator does not serve %T", req)
}

// ofGroup serves a request about one group.
func (c *Coordinator) ofGroup(ctx context.Context, meta coord.Meta, req kmsg.Request, group string) (kmsg.Response, error) {
	resp, err := c.call(ctx, c.Partition(group), meta, req)
	if err == nil {
		return resp, nil
	}
	k := coord.KafkaError(err)
	if k == nil {
		return nil, err
	}
	return refusal(req, k.Code), nil
}

// fetchGroups asks the core of each group and keeps the order of the request.
func (c *Coordinator) fetchGroups(ctx context.Context, meta coord.Meta, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	resp.Groups = []kmsg.OffsetFetchResponseGroup{}
	for _, g := range req.Groups {
		one := *req
		one.Groups = []kmsg.OffsetFetchRequestGroup{g}
		r, err := c.ofGroup(ctx, meta, &one, g.Group)
		if err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, r.(*kmsg.OffsetFetchResponse).Groups...)
	}
	return resp, nil
}

func (c *Coordinator) describeGroups(ctx context.Context, meta coord.Meta, req *kmsg.DescribeGroupsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	resp.Groups = []kmsg.DescribeGroupsResponseGroup{}
	for _, id := range req.Groups {
		one := *req
		one.Groups = []string{id}
		r, err := c.ofGroup(ctx, meta, &one, id)
		if err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, r.(*kmsg.DescribeGroupsResponse).Groups...)
	}
	return resp, nil
}

func (c *Coordinator) describeConsumers(ctx context.Context, meta coord.Meta, req *kmsg.ConsumerGroupDescribeRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	resp.Groups = []kmsg.ConsumerGroupDescribeResponseGroup{}
	for _, id := range req.Groups {
		one := *req
		one.Groups = []string{id}
		r, err := c.ofGroup(ctx, meta, &one, id)
		if err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, r.(*kmsg.ConsumerGroupDescribeResponse).Groups...)
	}
	return resp, nil
}

func (c *Coordinator) deleteGroups(ctx context.Context, meta coord.Meta, req *kmsg.DeleteGroupsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	resp.Groups = []kmsg.DeleteGroupsResponseGroup{}
	for _, id := range req.Groups {
		one := *req
		one.Groups = []string{id}
		r, err := c.ofGroup(ctx, meta, &one, id)
		if err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, r.(*kmsg.DeleteGroupsResponse).Groups...)
	}
	return resp, nil
}

// listGroups asks every core. One that is still loading makes the whole answer an
// error, since a list with a hole looks complete.
func (c *Coordinator) listGroups(ctx context.Context, meta coord.Meta, req *kmsg.ListGroupsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	resp.Groups = []kmsg.ListGroupsResponseGroup{}
	for _, p := range c.host.Led() {
		r, err := c.call(ctx, p, meta, req)
		if err != nil {
			k := coord.KafkaError(err)
			if k == nil {
				return nil, err
			}
			return refusal(req, k.Code), nil
		}
		resp.Groups = append(resp.Groups, r.(*kmsg.ListGroupsResponse).Groups...)
	}
	slices.SortFunc(resp.Groups, func(a, b kmsg.ListGroupsResponseGroup) int { return cmp.Compare(a.Group, b.Group) })
	return resp, nil
}

// refusal is a response that says nothing but the error code, at every place where
// clients of its version look for one. A request for several groups has one here.
func refusal(req kmsg.Request, code int16) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		resp := joinResponse(req)
		resp.ErrorCode, resp.MemberID = code, req.MemberID
		return resp
	case *kmsg.SyncGroupRequest:
		resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
		resp.ErrorCode, resp.MemberAssignment = code, []byte{}
		return resp
	case *kmsg.HeartbeatRequest:
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = code
		return resp
	case *kmsg.LeaveGroupRequest:
		resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
		resp.ErrorCode, resp.Members = code, []kmsg.LeaveGroupResponseMember{}
		return resp
	case *kmsg.OffsetDeleteRequest:
		resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
		resp.ErrorCode, resp.Topics = code, []kmsg.OffsetDeleteResponseTopic{}
		return resp
	case *kmsg.ListGroupsRequest:
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		resp.ErrorCode, resp.Groups = code, []kmsg.ListGroupsResponseGroup{}
		return resp
	case *kmsg.DescribeGroupsRequest:
		resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
		d := kmsg.NewDescribeGroupsResponseGroup()
		d.ErrorCode, d.Group, d.Members = code, req.Groups[0], []kmsg.DescribeGroupsResponseGroupMember{}
		resp.Groups = []kmsg.DescribeGroupsResponseGroup{d}
		return resp
	case *kmsg.ConsumerGroupHeartbeatRequest:
		return consumerRefusal(req, code, kerr.ErrorForCode(code).(*kerr.Error).Description)
	case *kmsg.ConsumerGroupDescribeRequest:
		resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
		resp.Groups = []kmsg.ConsumerGroupDescribeResponseGroup{consumerUnknown(req.Groups[0], code, kerr.ErrorForCode(code).(*kerr.Error).Description)}
		return resp
	case *kmsg.DeleteGroupsRequest:
		resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
		d := kmsg.NewDeleteGroupsResponseGroup()
		d.ErrorCode, d.Group = code, req.Groups[0]
		resp.Groups = []kmsg.DeleteGroupsResponseGroup{d}
		return resp
	}
	return offsetRefusal(req, code)
}

// offsetRefusal is refusal for commits and fetches.
func offsetRefusal(req kmsg.Request, code int16) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.OffsetCommitRequest:
		return commitResponse(req, nil, func(topicInfo, kmsg.OffsetCommitRequestTopicPartition) int16 { return code })
	case *kmsg.TxnOffsetCommitRequest:
		return txnCommitResponse(req, nil, func(topicInfo, kmsg.TxnOffsetCommitRequestTopicPartition) int16 { return code })
	case *kmsg.OffsetFetchRequest:
		return fetchRefusal(req, kerr.ErrorForCode(code).(*kerr.Error))
	}
	panic(fmt.Sprintf("group coordinator: no refusal for %T", req))
}
