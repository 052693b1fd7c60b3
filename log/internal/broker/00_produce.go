package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/internal/txn"
	"github.com/millrace/millrace/log/record"
)

// Produce (key 0): record batches are appended, verbatim.
//
// Versions 0 to 2 carry formats that are not stored any more. They are advertised
// nevertheless: librdkafka before 2.11 sends uncompressed data to a broker that
// does not list them (KAFKA-18659).
func init() {
	registerLater(spec{
		key:    keyProduce,
		served: 3,
		levels: []levelRange{{level: 1, min: 0, max: 13}},
		changes: []change{
			{0, "advertised alone, up to 2: librdkafka before 2.11 sends uncompressed data to a broker that does not list them (KAFKA-18659); refused by closing the connection"},
			{3, "record batches of format 2; transactional id"},
			{5, "log start offset in the answer"},
			{7, "zstd"},
			{8, "errors of single records, error messages (KIP-467)"},
			{9, "flexible"},
			{10, "the new leader in the answer, if it has moved (KIP-951)"},
			{11, "clients that know TRANSACTION_ABORTABLE (KIP-890)"},
			{12, "transaction version 2: producing adds the partition to the transaction"},
			{13, "topics by id alone"},
		},
		deviations: []string{
			"Records are not decompressed to be checked, but where the topic is compacted (keys) or bounds its oldest timestamp; a batch's header, checksum and counts always are. What is wrong inside of a batch is found by its readers.",
			"There is one batch for each partition, as every client sends it.",
		},
	}, produce)
}

// maxProduceMillis bounds how long a Produce may wait for its commit.
const maxProduceMillis = 5 * 60_000

// appended is one partition of a Produce on its way to its acknowledgement.
type appended struct {
	resp    *kmsg.ProduceResponseTopicPartition
	topic   *meta.Topic
	pending *replica.Pending // nil if it failed
}

func produce(ctx context.Context, c *call, req *kmsg.ProduceRequest) (answer, error) {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	resp.Topics = []kmsg.ProduceResponseTopic{}
	if !c.mayWriteTransactions(req) {
		return c.refuseProduce(req, resp)
	}
	now := time.Now()
	deadline := now.Add(time.Duration(min(max(req.TimeoutMillis, 0), maxProduceMillis)) * time.Millisecond)
	// A client that sends with acks=0 and closes still wants its records appended: the
	// append does not end with the connection.
	appendCtx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(time.Second))
	defer cancel()

	var all []appended
	for i := range req.Topics {
		rt := &req.Topics[i]
		pt := kmsg.NewProduceResponseTopic()
		pt.Topic, pt.TopicID = rt.Topic, rt.TopicID
		pt.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(rt.Partitions))
		t, unknown := c.findFor(acl.Write, req.Version >= 13, rt.TopicID, rt.Topic)
		var takes rules
		if unknown == nil {
			takes = rulesOf(t, now)
		}
		for j := range rt.Partitions {
			pp := &pt.Partitions[j]
			*pp = newProduceResponsePartition(rt.Partitions[j].Partition)
			a := appended{resp: pp, topic: t}
			var err error = unknown
			if unknown == nil {
				a.pending, err = c.append(appendCtx, req, t, &takes, &rt.Partitions[j], pp)
			}
			if err != nil {
				a.pending = nil
				failProduce(pp, req.Version, err)
			}
			all = append(all, a)
		}
		resp.Topics = append(resp.Topics, pt)
	}
	if req.Acks == 0 {
		return answer{}, firstFailure(all) // there is no other way to tell the client
	}
	return answer{later: func(ctx context.Context) kmsg.Response {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		for i := range all {
			all[i].acknowledge(ctx, resp.Version)
		}
		c.hintLeaders(resp, all)
		return resp
	}}, nil
}

// mayWriteTransactions tells whether the caller may write in the request's transaction,
// if there are transactional records in it.
func (c *call) mayWriteTransactions(req *kmsg.ProduceRequest) bool {
	if c.opts.Authorizer == nil {
		return true
	}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if h, err := record.ParseHeader(req.Topics[i].Partitions[j].Records); err == nil && h.Transactional() {
				return req.TransactionID != nil && c.allowed(acl.Write, acl.TransactionalID, *req.TransactionID)
			}
		}
	}
	return true
}

// refuseProduce answers every partition that the transactional id is another's.
func (c *call) refuseProduce(req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse) (answer, error) {
	refusal := refused(kerr.TransactionalIDAuthorizationFailed, "no right to write as this transactional id")
	for _, rt := range req.Topics {
		pt := kmsg.NewProduceResponseTopic()
		pt.Topic, pt.TopicID, pt.Partitions = rt.Topic, rt.TopicID, []kmsg.ProduceResponseTopicPartition{}
		for _, rp := range rt.Partitions {
			pp := newProduceResponsePartition(rp.Partition)
			failProduce(&pp, req.Version, refusal)
			pt.Partitions = append(pt.Partitions, pp)
		}
		resp.Topics = append(resp.Topics, pt)
	}
	if req.Acks == 0 {
		return answer{}, fmt.Errorf("acks=0: %w", refusal)
	}
	return answer{now: resp}, nil
}

// newProduceResponsePartition says that nothing happened.
func newProduceResponsePartition(index int32) kmsg.ProduceResponseTopicPartition {
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = index, -1, -1, -1
	p.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{}
	return p
}

// append checks one partition's batch and orders it.
func (c *call) append(ctx context.Context, req *kmsg.ProduceRequest, t *meta.Topic, takes *rules,
	rp *kmsg.ProduceRequestTopicPartition, pp *kmsg.ProduceResponseTopicPartition,
) (*replica.Pending, error) {
	if rp.Partition < 0 || int(rp.Partition) >= len(t.Partitions) {
		return nil, kerr.UnknownTopicOrPartition
	}
	if req.Acks < -1 || req.Acks > 1 {
		return nil, refused(kerr.InvalidRequiredAcks, fmt.Sprintf("acks is %d: use 0, 1 or -1", req.Acks))
	}
	if t.Internal {
		return nil, refused(kerr.InvalidTopicException, "clients cannot write to the log's own topics")
	}
	p, err := c.led(t, rp.Partition, noEpoch)
	if err != nil {
		return nil, err
	}
	pp.LogStartOffset = p.LogStart()
	batch, err := checkBatch(rp.Records, takes, req.Version)
	if err != nil {
		return nil, err
	}
	if batch.Transactional() {
		if req.TransactionID == nil {
			return nil, refused(kerr.TransactionalIDAuthorizationFailed, "transactional records without a transactional id")
		}
		write := txn.Write{
			TransactionalID: *req.TransactionID, ProducerID: batch.ProducerID, ProducerEpoch: batch.ProducerEpoch,
			Topic: t.Name, Partition: rp.Partition, Version: 1,
		}
		if req.Version >= 12 {
			write.Version = 2
		}
		release, err := c.opts.Transactions.Admit(ctx, write)
		if err != nil {
			return nil, notAdmitted(err, write.Version)
		}
		defer release()
	}
	pending, err := p.Start(ctx, rp.Records, replica.AppendOptions{
		Origin: replica.FromClient, Acks: replica.Acks(req.Acks), LeaderEpoch: noEpoch,
	})
	if err != nil {
		return nil, inconsistent(rp.Records, batch, err)
	}
	c.countProduced(t, batch, len(rp.Records))
	return pending, nil
}

// notAdmitted translates what the transaction coordinator says into what a producer
// understands, as Kafka does: troubles with the coordinator are worth a retry, and a
// fenced producer is told so by its epoch.
func notAdmitted(err error, version int16) error {
	var code *kerr.Error
	if !errors.As(err, &code) {
		return err
	}
	switch code {
	case kerr.ProducerFenced:
		return kerr.InvalidProducerEpoch
	case kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator:
		return refused(kerr.NotEnoughReplicas, "the transaction coordinator cannot be asked now: "+code.Message)
	case kerr.ConcurrentTransactions:
		if version < 2 {
			return refused(kerr.NotEnoughReplicas, "the transaction before is still being ended")
		}
	}
	return err
}

// acknowledge waits for the append and fills in its outcome.
func (a *appended) acknowledge(ctx context.Context, version int16) {
	if a.pending == nil {
		return
	}
	r, err := a.pending.Wait(ctx)
	if err != nil {
		failProduce(a.resp, version, err)
		return
	}
	a.resp.BaseOffset, a.resp.LogAppendTime, a.resp.LogStartOffset = r.BaseOffset, r.AppendTimeMs, r.LogStart
}

// failProduce fills in an error, in the words that the version knows.
func failProduce(pp *kmsg.ProduceResponseTopicPartition, version int16, err error) {
	var bad *badRecords
	if errors.As(err, &bad) {
		pp.ErrorRecords = bad.records
	}
	pp.BaseOffset = -1
	pp.ErrorCode, pp.ErrorMessage = refusal(err)
	pp.ErrorCode = coord.CodeFor(keyProduce, version, pp.ErrorCode)
}

// firstFailure is the error of a Produce that nobody waits for.
func firstFailure(all []appended) error {
	for _, a := range all {
		if a.resp.ErrorCode != 0 {
			return fmt.Errorf("acks=0, partition %d: %w", a.resp.Partition, kerr.ErrorForCode(a.resp.ErrorCode))
		}
	}
	return nil
}

// hintLeaders names the leaders of partitions that were asked of the wrong node.
func (c *call) hintLeaders(resp *kmsg.ProduceResponse, all []appended) {
	if resp.Version < 10 {
		return
	}
	named := map[int32]bool{}
	for _, a := range all {
		leader, epoch, ok := leaderHint(a.topic, a.resp.Partition, a.resp.ErrorCode)
		if !ok {
			continue
		}
		a.resp.CurrentLeader.LeaderID, a.resp.CurrentLeader.LeaderEpoch = leader, epoch
		if b := c.image().Broker(leader); b != nil && !named[leader] {
			named[leader] = true
			if e, ok := c.reach(b); ok {
				pb := kmsg.NewProduceResponseBroker()
				pb.NodeID, pb.Host, pb.Port = leader, e.Host, e.Port
				resp.Brokers = append(resp.Brokers, pb)
			}
		}
	}
}
