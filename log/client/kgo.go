package client

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// The versions at which the transaction protocol changes (KIP-890, part 2):
// below, partitions and offsets are added by requests of their own.
const (
	produceV2         = 12
	txnOffsetCommitV2 = 5
	endTxnV2          = 5
)

// kgoCluster speaks to any Kafka through a franz-go client, which carries
// connections, authentication and the routing of everything but Produce and
// Fetch. Three habits of it are corrected here, all for requests that it takes
// for its own producer's:
//
//   - it overwrites Acks of a raw ProduceRequest with its own option;
//   - it negotiates the highest version, which in a cluster that has not
//     finalized transaction.version=2 would mix both transaction protocols;
//   - it returns when ctx ends although it may still read the request's bytes.
type kgoCluster struct {
	cl *kgo.Client
	// v1 says that transaction.version=2 is not in effect; learned from every
	// ApiVersions answer that passes. 0 unknown, 1 yes, 2 no.
	v1 atomic.Int32
}

// FromKgo makes a Cluster of a franz-go client. The caller keeps cl and closes
// it last. cl needs no options but seeds and security; producer and consumer
// options have no effect here. Its connections answer one request at a time, so
// members of one group need a client each: a JoinGroup waits for the others'.
func FromKgo(cl *kgo.Client) Cluster { return &kgoCluster{cl: cl} }

// Request implements Cluster.
func (k *kgoCluster) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	switch r := req.(type) {
	case *kmsg.ApiVersionsRequest:
		resp, err := k.cl.Request(ctx, req)
		if err == nil {
			k.learn(resp.(*kmsg.ApiVersionsResponse))
		}
		return resp, err
	case *kmsg.EndTxnRequest:
		if k.oldTransactions(ctx) {
			return k.atCoordinator(ctx, r.TransactionalID, capped{req, endTxnV2 - 1})
		}
	case *kmsg.TxnOffsetCommitRequest:
		if k.oldTransactions(ctx) {
			return k.atGroup(ctx, r.Group, capped{req, txnOffsetCommitV2 - 1})
		}
	}
	resp, err := k.cl.Request(ctx, req)
	return resp, lookUpError(err)
}

// lookUpError is an error of cl, which looks coordinators and the controller up by
// itself and hands on what a broker answered to that as a bare code. It is judged
// like any other refusal.
func lookUpError(err error) error {
	var refused *kerr.Error
	if errors.As(err, &refused) {
		return brokerError(refused.Code, nil, "find the coordinator")
	}
	return err
}

// Broker implements Cluster.
func (k *kgoCluster) Broker(id int32) kmsg.Requestor {
	return kgoBroker{k: k, broker: k.cl.Broker(int(id))}
}

// learn notes whether version 2 of transactions is in effect, and lowers the
// ranges to what cl was limited to, so that whoever reads them sees what will be
// sent.
func (k *kgoCluster) learn(resp *kmsg.ApiVersionsResponse) {
	if limit, ok := k.cl.OptValue(kgo.MaxVersions).(*kversion.Versions); ok && limit != nil {
		for i := range resp.ApiKeys {
			key := &resp.ApiKeys[i]
			if m, ok := limit.LookupMaxKeyVersion(key.ApiKey); ok {
				key.MaxVersion = min(key.MaxVersion, m)
			}
		}
	}
	state := int32(1)
	if transactionVersion(resp) >= 2 {
		state = 2
	}
	k.v1.Store(state)
}

func (k *kgoCluster) oldTransactions(ctx context.Context) bool {
	if k.v1.Load() == 0 {
		_, _ = k.Request(ctx, kmsg.NewPtrApiVersionsRequest()) // on failure the request itself will fail and be repeated
	}
	return k.v1.Load() == 1
}

func (k *kgoCluster) atCoordinator(ctx context.Context, txnID string, req kmsg.Request) (kmsg.Response, error) {
	return k.atKey(ctx, 1, txnID, req)
}

func (k *kgoCluster) atGroup(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	return k.atKey(ctx, 0, group, req)
}

// atKey finds the coordinator itself, because cl routes only the request types
// that it knows.
func (k *kgoCluster) atKey(ctx context.Context, kind int8, key string, req kmsg.Request) (kmsg.Response, error) {
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorType, find.CoordinatorKey, find.CoordinatorKeys = kind, key, []string{key}
	resp, err := find.RequestWith(ctx, k.cl)
	if err != nil {
		return nil, err
	}
	node, code := resp.NodeID, resp.ErrorCode
	if len(resp.Coordinators) == 1 {
		node, code = resp.Coordinators[0].NodeID, resp.Coordinators[0].ErrorCode
	}
	if code != 0 {
		return nil, brokerError(code, nil, "find the coordinator of %q", key)
	}
	return k.cl.Broker(int(node)).Request(ctx, req)
}

type kgoBroker struct {
	k      *kgoCluster
	broker *kgo.Broker
}

// Request implements kmsg.Requestor.
func (b kgoBroker) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	switch r := req.(type) {
	case *kmsg.ProduceRequest:
		if r.Acks == 0 {
			return nil, errors.New("produce with acks=0 has no answer; use 1 or -1")
		}
		return b.produce(ctx, r)
	case *kmsg.FetchRequest:
		if len(r.Topics) > 0 && r.Topics[0].TopicID == ([16]byte{}) {
			return b.broker.Request(ctx, cappedFetch{r, 12}) // 13 knows topics by id only
		}
	}
	return b.broker.Request(ctx, req)
}

func (b kgoBroker) produce(ctx context.Context, r *kmsg.ProduceRequest) (kmsg.Response, error) {
	limit := r.MaxVersion()
	if len(r.Topics) > 0 && r.Topics[0].TopicID == ([16]byte{}) {
		limit = 12
	}
	if r.TransactionID != nil && b.k.oldTransactions(ctx) {
		limit = produceV2 - 1
	}
	lent := &lentProduce{ProduceRequest: r, max: limit}
	defer lent.giveBack()
	return b.broker.Request(ctx, lent)
}

// capped is a request that is sent with at most version max.
type capped struct {
	kmsg.Request
	max int16
}

func (c capped) MaxVersion() int16 { return c.max }

type cappedFetch struct {
	*kmsg.FetchRequest
	max int16
}

func (c cappedFetch) MaxVersion() int16 { return c.max }

// lentProduce is a produce request whose record bytes belong to the caller again
// after giveBack: an encoding that begins later finds no topics.
type lentProduce struct {
	*kmsg.ProduceRequest
	max int16

	mu       sync.Mutex
	returned bool // guarded by mu
}

func (l *lentProduce) MaxVersion() int16 { return l.max }

func (l *lentProduce) AppendTo(dst []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.returned {
		empty := *l.ProduceRequest
		empty.Topics = nil
		return empty.AppendTo(dst)
	}
	return l.ProduceRequest.AppendTo(dst)
}

func (l *lentProduce) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.returned = true
}

// transactionVersion reads from an ApiVersions answer which transaction protocol
// is in effect: 2 if the cluster has finalized it and the ranges allow it.
func transactionVersion(resp *kmsg.ApiVersionsResponse) int {
	level := int16(0)
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			level = f.MaxVersionLevel
		}
	}
	if level < 2 {
		return 1
	}
	need := map[int16]int16{0: produceV2, 28: txnOffsetCommitV2, 26: endTxnV2}
	for _, key := range resp.ApiKeys {
		if v, ok := need[key.ApiKey]; ok && key.MaxVersion >= v {
			delete(need, key.ApiKey)
		}
	}
	if len(need) > 0 {
		return 1
	}
	return 2
}
