package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
)

// Fetch (key 1): whole record batches from an offset on, as they were stored. If
// there are fewer bytes than the client wants, it waits.
func init() {
	register(spec{
		key:    keyFetch,
		levels: []levelRange{{level: 1, min: 4, max: 18}},
		changes: []change{
			{4, "isolation level, last stable offset, aborted transactions; a total maximum"},
			{5, "log start offset"},
			{7, "fetch sessions (KIP-227)"},
			{9, "the leader epoch that the client believes in (KIP-320)"},
			{10, "zstd"},
			{11, "the client's rack (KIP-392)"},
			{12, "flexible; where the client's log diverges from ours (KIP-595)"},
			{13, "topics by id alone"},
			{14, "offsets moved to tiered storage, which there is none of"},
			{15, "replica id and epoch as a tagged field (KIP-903)"},
			{16, "the new leader in the answer, if it has moved (KIP-951)"},
			{17, "a follower's directory id"},
			{18, "a follower's high watermark (KIP-1166)"},
		},
		deviations: []string{
			"There are at most 1000 fetch sessions (KIP-227), with 100 000 partitions together. One that was not used for two minutes gives way to another; beyond that the session id is 0, which tells the client to ask in full.",
			"One answer has at most 16 MiB of records (one batch larger than that is sent), and a long poll lasts a minute at most.",
			"Fetches in a follower's name are refused with CLUSTER_AUTHORIZATION_FAILED.",
		},
	}, fetch)
}

func fetch(ctx context.Context, c *call, req *kmsg.FetchRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	resp.Topics = []kmsg.FetchResponseTopic{}
	session, refusal := c.fetchSessions.enter(c, req)
	if refusal != nil {
		resp.ErrorCode = refusal.Code
		return resp, nil
	}
	defer func() { c.fetchSessions.abandon(session) }()
	f := newFetching(c, req, resp)
	if err := f.collect(ctx); err != nil {
		return nil, err
	}
	f.finish()
	c.fetchSessions.leave(session, c.caller.Principal, req, resp)
	session = nil
	return resp, nil
}

// fetching is a Fetch request under way.
type fetching struct {
	c         *call
	req       *kmsg.FetchRequest
	resp      *kmsg.FetchResponse
	isolation replica.Isolation
	parts     []fetchPart
	bytes     int  // of records collected
	spare     int  // left of the shares of partitions that are full
	settled   bool // there is something that the client should know at once
}

// fetchPart is one partition of it.
type fetchPart struct {
	req   *kmsg.FetchRequestTopicPartition
	resp  *kmsg.FetchResponseTopicPartition
	topic *meta.Topic
	led   *replica.Partition // nil if it has failed
	next  int64              // the offset to go on from
	full  bool               // there is more, which does not fit
}

func newFetching(c *call, req *kmsg.FetchRequest, resp *kmsg.FetchResponse) *fetching {
	f := &fetching{c: c, req: req, resp: resp, isolation: replica.ReadUncommitted}
	if req.IsolationLevel == 1 {
		f.isolation = replica.ReadCommitted
	}
	follower := req.Version < 15 && req.ReplicaID >= 0 || req.Version >= 15 && req.ReplicaState.ID >= 0
	resp.Topics = make([]kmsg.FetchResponseTopic, len(req.Topics))
	for i := range req.Topics {
		rt, pt := &req.Topics[i], &resp.Topics[i]
		*pt = kmsg.NewFetchResponseTopic()
		pt.Topic, pt.TopicID = rt.Topic, rt.TopicID
		pt.Partitions = make([]kmsg.FetchResponseTopicPartition, len(rt.Partitions))
		t, unknown := c.findFor(acl.Read, req.Version >= 13, rt.TopicID, rt.Topic)
		for j := range rt.Partitions {
			part := fetchPart{req: &rt.Partitions[j], resp: &pt.Partitions[j], topic: t}
			*part.resp = newFetchResponsePartition(part.req.Partition)
			part.next = part.req.FetchOffset
			switch {
			case follower:
				f.fail(&part, kerr.ClusterAuthorizationFailed)
			case unknown != nil:
				f.fail(&part, unknown)
			default:
				f.open(&part)
			}
			f.parts = append(f.parts, part)
		}
	}
	return f
}

func newFetchResponsePartition(index int32) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition = index
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset, p.PreferredReadReplica = -1, -1, -1, -1
	p.RecordBatches = []byte{} // librdkafka cannot read null
	return p
}

// open finds the partition's leader here, and where the client's log leaves ours.
func (f *fetching) open(part *fetchPart) {
	epoch := int32(noEpoch)
	if f.req.Version >= 9 {
		epoch = part.req.CurrentLeaderEpoch
	}
	p, err := f.c.led(part.topic, part.req.Partition, epoch)
	if err != nil {
		f.fail(part, err)
		return
	}
	part.led = p
	last := part.req.LastFetchedEpoch
	if f.req.Version < 12 || last < 0 {
		return
	}
	found, end := p.OffsetForEpoch(last)
	switch {
	case found < 0 || end < 0:
		f.fail(part, kerr.OffsetOutOfRange)
	case found < last || end < part.req.FetchOffset:
		part.resp.DivergingEpoch.Epoch, part.resp.DivergingEpoch.EndOffset = found, end
		part.resp.HighWatermark, part.resp.LastStableOffset, part.resp.LogStartOffset = p.HighWatermark(), p.LastStable(), p.LogStart()
		part.led = nil
		f.settled = true
	}
}

// fail fills in a partition's error, which ends the request's waiting.
func (f *fetching) fail(part *fetchPart, err error) {
	r := part.resp
	f.bytes -= len(r.RecordBatches)
	*r = newFetchResponsePartition(r.Partition)
	r.ErrorCode, _ = refusal(err)
	r.ErrorCode = coord.CodeFor(keyFetch, f.req.Version, r.ErrorCode)
	part.led = nil
	f.settled = true
}

// finish adds what concerns the response as a whole.
func (f *fetching) finish() {
	for _, part := range f.parts {
		if part.topic != nil {
			f.c.countFetched(part.topic, part.resp.RecordBatches)
		}
	}
	if f.req.Version < 16 {
		return
	}
	named := map[int32]bool{}
	for _, part := range f.parts {
		leader, epoch, ok := leaderHint(part.topic, part.req.Partition, part.resp.ErrorCode)
		if !ok {
			continue
		}
		part.resp.CurrentLeader.LeaderID, part.resp.CurrentLeader.LeaderEpoch = leader, epoch
		if b := f.c.image().Broker(leader); b != nil && !named[leader] {
			named[leader] = true
			if e, ok := f.c.reach(b); ok {
				fb := kmsg.NewFetchResponseBroker()
				fb.NodeID, fb.Host, fb.Port = leader, e.Host, e.Port
				f.resp.Brokers = append(f.resp.Brokers, fb)
			}
		}
	}
}
