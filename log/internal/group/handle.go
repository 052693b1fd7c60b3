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

// eachGroup asks the core of each group of a request and keeps the request's order. one
// makes the request for a group alone.
func eachGroup[E, G any](ctx context.Context, c *Coordinator, meta coord.Meta, groups []E,
	one func(E) (kmsg.Request, string), answers func(kmsg.Response) []G) ([]G, error) {
	all := []G{}
	for _, g := range groups {
		req, id := one(g)
		resp, err := c.ofGroup(ctx, meta, req, id)
		if err != nil {
			return nil, err
		}
		all = append(all, answers(resp)...)
	}
	return all, nil
}

func (c *Coordinator) fetchGroups(ctx context.Context, meta coord.Meta, req *kmsg.OffsetFetchRequest) (_ kmsg.Response, err error) {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	resp.Groups, err = eachGroup(ctx, c, meta, req.Groups, func(g kmsg.OffsetFetchRequestGroup) (kmsg.Request, string) {
		one := *req
		one.Groups = []kmsg.OffsetFetchRequestGroup{g}
		return &one, g.Group
	}, func(r kmsg.Response) []kmsg.OffsetFetchResponseGroup { return r.(*kmsg.OffsetFetchResponse).Groups })
	return resp, err
}

func (c *Coordinator) describeGroups(ctx context.Context, meta coord.Meta, req *kmsg.DescribeGroupsRequest) (_ kmsg.Response, err error) {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	resp.Groups, err = eachGroup(ctx, c, meta, req.Groups, func(id string) (kmsg.Request, string) {
		one := *req
		one.Groups = []string{id}
		return &one, id
	}, func(r kmsg.Response) []kmsg.DescribeGroupsResponseGroup {
		return r.(*kmsg.DescribeGroupsResponse).Groups
	})
	return resp, err
}

func (c *Coordinator) describeConsumers(ctx context.Context, meta coord.Meta, req *kmsg.ConsumerGroupDescribeRequest) (_ kmsg.Response, err error) {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	resp.Groups, err = eachGroup(ctx, c, meta, req.Groups, func(id string) (kmsg.Request, string) {
		one := *req
		one.Groups = []string{id}
		return &one, id
	}, func(r kmsg.Response) []kmsg.ConsumerGroupDescribeResponseGroup {
		return r.(*kmsg.ConsumerGroupDescribeResponse).Groups
	})
	return resp, err
}

func (c *Coordinator) deleteGroups(ctx context.Context, meta coord.Meta, req *kmsg.DeleteGroupsRequest) (_ kmsg.Response, err error) {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	resp.Groups, err = eachGroup(ctx, c, meta, req.Groups, func(id string) (kmsg.Request, string) {
		one := *req
		one.Groups = []string{id}
		return &one, id
	}, func(r kmsg.Response) []kmsg.DeleteGroupsResponseGroup { return r.(*kmsg.DeleteGroupsResponse).Groups })
	return resp, err
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
		code = coord.CodeFor(req.Key(), req.Version, code)
		return txnCommitResponse(req, nil, func(topicInfo, kmsg.TxnOffsetCommitRequestTopicPartition) int16 { return code })
	case *kmsg.OffsetFetchRequest:
		return fetchRefusal(req, kerr.ErrorForCode(code).(*kerr.Error))
	}
	panic(fmt.Sprintf("group coordinator: no refusal for %T", req))
}
