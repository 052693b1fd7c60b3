package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/client"
)

func (a *app) txnCommand() *cobra.Command {
	return parentCommand("txn", "List, describe and abort transactions",
		a.txnList(), a.txnDescribe(), a.txnProducers(), a.txnAbort())
}

// txnInfo is a transactional id as list and describe show it.
type txnInfo struct {
	ID            string             `json:"transactional_id"`
	State         string             `json:"state"`
	ProducerID    int64              `json:"producer_id"`
	ProducerEpoch *int16             `json:"producer_epoch,omitempty"`
	Coordinator   int32              `json:"coordinator"`
	TimeoutMs     int32              `json:"timeout_ms,omitempty"`
	Started       *time.Time         `json:"started,omitempty"`
	Partitions    map[string][]int32 `json:"partitions,omitempty"`
}

func (a *app) txnList() *cobra.Command {
	var r remote
	var output string
	var states []string
	c := &cobra.Command{
		Use:   "list",
		Short: "List transactional ids, with the age of open transactions",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				listed, err := adm.ListTransactions(ctx, nil, states)
				if err != nil {
					return err
				}
				infos := []txnInfo{}
				if len(listed) > 0 {
					if infos, err = describeTxns(ctx, adm, listed.TransactionalIDs()); err != nil {
						return err
					}
				}
				rows := [][]string{{"TRANSACTIONAL-ID", "STATE", "PRODUCER", "EPOCH", "AGE", "PARTITIONS"}}
				for _, t := range infos {
					rows = append(rows, []string{t.ID, t.State, fmt.Sprint(t.ProducerID), fmt.Sprint(*t.ProducerEpoch), t.age(), fmt.Sprint(t.count())})
				}
				return printList(c.OutOrStdout(), output, infos, rows)
			})
		},
	}
	r.flags(c)
	outputFlag(c, &output)
	c.Flags().StringSliceVarP(&states, "state", "s", nil, "only those in these states (Ongoing, Empty, ...)")
	return c
}

// describeTxns leaves out what has gone meanwhile.
func describeTxns(ctx context.Context, adm *kadm.Client, ids []string) ([]txnInfo, error) {
	described, err := adm.DescribeTransactions(ctx, ids...)
	if err != nil {
		return nil, err
	}
	infos := []txnInfo{}
	for _, d := range described.Sorted() {
		if errors.Is(d.Err, kerr.TransactionalIDNotFound) {
			continue
		}
		if d.Err != nil {
			return nil, fmt.Errorf("transactional id %s: %w", d.TxnID, d.Err)
		}
		info := txnInfo{
			ID: d.TxnID, State: d.State, ProducerID: d.ProducerID, ProducerEpoch: &d.ProducerEpoch,
			Coordinator: d.Coordinator, TimeoutMs: d.TimeoutMillis, Partitions: map[string][]int32{},
		}
		if d.StartTimestamp > 0 {
			at := time.UnixMilli(d.StartTimestamp).UTC()
			info.Started = &at
		}
		d.Topics.EachPartitions(func(topic string, partitions []int32) {
			info.Partitions[topic] = slices.Sorted(slices.Values(partitions))
		})
		infos = append(infos, info)
	}
	return infos, nil
}

func (t *txnInfo) count() (n int) {
	for _, ps := range t.Partitions {
		n += len(ps)
	}
	return n
}

// age is how long a transaction has been open, for people.
func (t *txnInfo) age() string {
	if t.Started == nil || t.State == "Empty" || t.State == "CompleteCommit" || t.State == "CompleteAbort" {
		return "-"
	}
	return time.Since(*t.Started).Round(time.Second).String()
}

func (a *app) txnDescribe() *cobra.Command {
	var r remote
	var output string
	c := &cobra.Command{
		Use:   "describe TRANSACTIONAL-ID...",
		Short: "Show transactions and their partitions",
		Args:  someArgs("a transactional id"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				infos, err := describeTxns(ctx, adm, args)
				if err != nil {
					return err
				}
				if output == "json" {
					err = printJSON(c.OutOrStdout(), infos)
				} else {
					err = printTxns(c, infos)
				}
				for _, id := range args {
					if !slices.ContainsFunc(infos, func(t txnInfo) bool { return t.ID == id }) {
						err = errors.Join(err, fmt.Errorf("there is no transactional id %s", id))
					}
				}
				return err
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, transactionNames)
	r.flags(c)
	outputFlag(c, &output)
	return c
}

func printTxns(c *cobra.Command, infos []txnInfo) error {
	out := c.OutOrStdout()
	for i, t := range infos {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "transactional id  %s\nstate             %s\nproducer          %d, epoch %d\ncoordinator       %d\ntimeout           %v\n",
			printable(t.ID), t.State, t.ProducerID, *t.ProducerEpoch, t.Coordinator, time.Duration(t.TimeoutMs)*time.Millisecond)
		if t.age() != "-" {
			fmt.Fprintf(out, "started           %s (%s ago)\n", t.Started.Format(time.RFC3339), t.age())
		}
		if len(t.Partitions) == 0 {
			continue
		}
		fmt.Fprintln(out)
		rows := [][]string{{"TOPIC", "PARTITIONS"}}
		for _, topic := range sortedKeys(t.Partitions) {
			rows = append(rows, []string{topic, fmt.Sprint(t.Partitions[topic])})
		}
		if err := printTable(out, rows); err != nil {
			return err
		}
	}
	return nil
}

// producerInfo is a producer that a partition remembers.
type producerInfo struct {
	Topic         string    `json:"topic"`
	Partition     int32     `json:"partition"`
	ProducerID    int64     `json:"producer_id"`
	ProducerEpoch int16     `json:"producer_epoch"`
	LastSequence  int32     `json:"last_sequence"`
	LastWrite     time.Time `json:"last_write"`
	// OpenSince is the first offset of its open transaction, which holds readers of
	// committed data back; nil if none is open.
	OpenSince *int64 `json:"open_since_offset"`
	// ID is the transactional id, if one has this producer id now.
	ID string `json:"transactional_id,omitempty"`
}

func (a *app) txnProducers() *cobra.Command {
	var r remote
	var output string
	var open bool
	c := &cobra.Command{
		Use:   "producers TOPIC[:PARTITION,...]...",
		Short: "Show the producers of partitions, and whose transactions hold readers back",
		Args:  someArgs("a topic"),
		RunE: func(c *cobra.Command, args []string) error {
			chosen, err := parsePartitions(args)
			if err != nil {
				return err
			}
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				infos, err := producers(ctx, adm, chosen, open)
				if err != nil {
					return err
				}
				rows := [][]string{{"TOPIC", "PARTITION", "PRODUCER", "EPOCH", "LAST-WRITE", "OPEN-SINCE", "TRANSACTIONAL-ID"}}
				for _, p := range infos {
					rows = append(rows, []string{
						p.Topic, fmt.Sprint(p.Partition), fmt.Sprint(p.ProducerID), fmt.Sprint(p.ProducerEpoch),
						p.LastWrite.Format(time.RFC3339), offsetText(p.OpenSince), p.ID,
					})
				}
				return printList(c.OutOrStdout(), output, infos, rows)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, topicNames)
	r.flags(c)
	outputFlag(c, &output)
	c.Flags().BoolVar(&open, "open", false, "only those with an open transaction")
	return c
}

func producers(ctx context.Context, adm *kadm.Client, chosen kadm.TopicsSet, open bool) ([]producerInfo, error) {
	if err := wholeTopics(ctx, adm, chosen); err != nil {
		return nil, err
	}
	described, err := adm.DescribeProducers(ctx, chosen)
	if err != nil {
		return nil, err
	}
	listed, err := adm.ListTransactions(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	ids := map[int64]string{}
	for _, t := range listed {
		ids[t.ProducerID] = t.TxnID
	}
	infos := []producerInfo{}
	for _, part := range described.SortedPartitions() {
		if part.Err != nil {
			return nil, fmt.Errorf("%s/%d: %w", part.Topic, part.Partition, withMessage(part.Err, part.ErrMessage))
		}
		for _, p := range part.ActiveProducers.Sorted() {
			info := producerInfo{
				Topic: p.Topic, Partition: p.Partition, ProducerID: p.ProducerID, ProducerEpoch: p.ProducerEpoch,
				LastSequence: p.LastSequence, LastWrite: time.UnixMilli(p.LastTimestamp).UTC(), ID: ids[p.ProducerID],
			}
			if p.CurrentTxnStartOffset >= 0 {
				info.OpenSince = &p.CurrentTxnStartOffset
			}
			if !open || info.OpenSince != nil {
				infos = append(infos, info)
			}
		}
	}
	return infos, nil
}

func (a *app) txnAbort() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:   "abort TRANSACTIONAL-ID",
		Short: "Abort an open transaction and fence its producer",
		Long: `Abort an open transaction and fence its producer, which fails with
PRODUCER_FENCED at its next request. This is what a new producer with the same
transactional id does when it starts, so it works on any Kafka.

millrace txn producers TOPIC --open shows whose transaction holds readers back.`,
		Args: exactArgs("a transactional id"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withConnection(c, &r, func(ctx context.Context, conn *client.Connection) error {
				return abortTxn(ctx, c, conn, args[0])
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, transactionNames)
	r.flags(c)
	return c
}

func abortTxn(ctx context.Context, c *cobra.Command, conn *client.Connection, id string) error {
	before, err := describeTxns(ctx, conn.Admin(), []string{id})
	if err != nil {
		return err
	}
	if len(before) == 0 {
		return fmt.Errorf("there is no transactional id %s (millrace txn list names those that are)", id)
	}
	if s := before[0].State; s != "Ongoing" {
		fmt.Fprintf(c.OutOrStdout(), "%s has no open transaction (it is %s); nothing was done\n", id, s)
		return nil
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &id, before[0].TimeoutMs
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		resp, err := conn.Cluster().Request(ctx, req)
		if err != nil {
			return err
		}
		err = kerr.ErrorForCode(resp.(*kmsg.InitProducerIDResponse).ErrorCode)
		if err == nil {
			fmt.Fprintf(c.OutOrStdout(), "aborted the transaction of %s, fenced producer %d\n", id, before[0].ProducerID)
			return nil
		}
		if !kerr.IsRetriable(err) && !errors.Is(err, kerr.ConcurrentTransactions) {
			return fmt.Errorf("abort the transaction of %s: %w", id, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("abort the transaction of %s: %w; the last answer was %w", id, ctx.Err(), err)
		}
	}
}
