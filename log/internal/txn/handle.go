package txn

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// Handle serves InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn,
// DescribeTransactions and ListTransactions. An error means that ctx has ended;
// everything else is an error code in the response.
func (c *Coordinator) Handle(ctx context.Context, meta coord.Meta, req kmsg.Request) (kmsg.Response, error) {
	switch req := req.(type) {
	case *kmsg.InitProducerIDRequest:
		return c.initProducerID(ctx, meta, req)
	case *kmsg.EndTxnRequest:
		return c.endTxn(ctx, meta, req)
	case *kmsg.AddPartitionsToTxnRequest:
		return c.addPartitions(ctx, req)
	case *kmsg.AddOffsetsToTxnRequest:
		return c.addOffsets(ctx, req)
	case *kmsg.DescribeTransactionsRequest:
		return c.describe(ctx, meta, req)
	case *kmsg.ListTransactionsRequest:
		return c.list(ctx, meta, req)
	}
	return nil, fmt.Errorf("transaction coordinator does not serve %T", req)
}

func (c *Coordinator) initProducerID(ctx context.Context, meta coord.Meta, req *kmsg.InitProducerIDRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	if req.TransactionalID != nil {
		r, err := c.call(ctx, c.Partition(*req.TransactionalID), meta, req)
		if err == nil {
			return r, nil
		}
		resp.ProducerID, resp.ProducerEpoch = none, none
		return resp, failed(err, &resp.ErrorCode)
	}
	if (req.ProducerID == none) != (req.ProducerEpoch == none) {
		resp.ProducerID, resp.ProducerEpoch, resp.ErrorCode = none, none, kerr.InvalidRequest.Code
		return resp, nil
	}
	id, _, err := c.ids.take(ctx, 1)
	switch {
	case err == nil:
		resp.ProducerID, resp.ProducerEpoch = id, 0
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		c.opts.Logger.Warn("no producer ids", "error", err)
		resp.ProducerID, resp.ProducerEpoch = none, none
		resp.ErrorCode = kerr.CoordinatorLoadInProgress.Code
	}
	return resp, nil
}

// failed puts an error of Host.Call into a response, or gives it back if nobody is
// there to be told.
func failed(err error, code *int16) error {
	k := coord.KafkaError(err)
	if k == nil {
		return err
	}
	*code = k.Code
	return nil
}

func (c *Coordinator) endTxn(ctx context.Context, meta coord.Meta, req *kmsg.EndTxnRequest) (kmsg.Response, error) {
	r, err := c.call(ctx, c.Partition(req.TransactionalID), meta, req)
	if err == nil {
		return r, nil
	}
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ProducerID, resp.ProducerEpoch = none, none
	return resp, failed(err, &resp.ErrorCode)
}

// AddOffsetsToTxn, versions 0-4: adds the partition of __consumer_offsets that holds a
// group. 2: PRODUCER_FENCED is an error of its own.
func (c *Coordinator) addOffsets(ctx context.Context, req *kmsg.AddOffsetsToTxnRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
	p := TopicPartition{coord.GroupTopic, coord.PartitionFor(req.Group, c.opts.OffsetsPartitions)}
	codes, err := c.add(ctx, Add{TransactionalID: req.TransactionalID, ProducerID: req.ProducerID,
		ProducerEpoch: req.ProducerEpoch, Partitions: []TopicPartition{p}, Version: 1})
	switch err := err.(type) {
	case nil:
		resp.ErrorCode = coord.CodeFor(req.Key(), req.Version, codes[0])
	case *kerr.Error:
		resp.ErrorCode = err.Code
	default:
		return nil, err
	}
	return resp, nil
}

// describe asks every core for its own and keeps the order of the request.
func (c *Coordinator) describe(ctx context.Context, meta coord.Meta, req *kmsg.DescribeTransactionsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	resp.TransactionStates = []kmsg.DescribeTransactionsResponseTransactionState{}
	for _, id := range req.TransactionalIDs {
		one := kmsg.NewPtrDescribeTransactionsRequest()
		one.Version, one.TransactionalIDs = req.Version, []string{id}
		r, err := c.call(ctx, c.Partition(id), meta, one)
		if err == nil {
			resp.TransactionStates = append(resp.TransactionStates, r.(*kmsg.DescribeTransactionsResponse).TransactionStates...)
			continue
		}
		d := kmsg.NewDescribeTransactionsResponseTransactionState()
		d.TransactionalID, d.Topics = id, []kmsg.DescribeTransactionsResponseTransactionStateTopic{}
		if err := failed(err, &d.ErrorCode); err != nil {
			return nil, err
		}
		resp.TransactionStates = append(resp.TransactionStates, d)
	}
	return resp, nil
}

// list asks every core. One that is still loading makes the whole answer an error,
// since a list with a hole looks complete.
func (c *Coordinator) list(ctx context.Context, meta coord.Meta, req *kmsg.ListTransactionsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
	resp.TransactionStates = []kmsg.ListTransactionsResponseTransactionState{}
	resp.UnknownStateFilters = []string{}
	for _, p := range c.host.Led() {
		r, err := c.call(ctx, p, meta, req)
		if err != nil {
			resp.TransactionStates = resp.TransactionStates[:0]
			return resp, failed(err, &resp.ErrorCode)
		}
		part := r.(*kmsg.ListTransactionsResponse)
		if part.ErrorCode != 0 {
			return part, nil
		}
		resp.UnknownStateFilters = part.UnknownStateFilters
		resp.TransactionStates = append(resp.TransactionStates, part.TransactionStates...)
	}
	slices.SortFunc(resp.TransactionStates, func(a, b kmsg.ListTransactionsResponseTransactionState) int {
		return cmp.Compare(a.TransactionalID, b.TransactionalID)
	})
	return resp, nil
}
