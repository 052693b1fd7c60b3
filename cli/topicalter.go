package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func (a *app) topicAddPartitions() *cobra.Command {
	var r remote
	var total int
	c := &cobra.Command{
		Use:   "add-partitions TOPIC... --to COUNT",
		Short: "Give topics more partitions",
		Long: `Give topics more partitions. Records stay where they are; a key may get another
partition than before, so what relies on the order of a key's records, or on state
by key, has to be looked at first.`,
		Args: someArgs("a topic's name"),
		RunE: func(c *cobra.Command, args []string) error {
			if total < 1 {
				return usagef("%s needs --to, the number of partitions then", c.CommandPath())
			}
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				responses, err := adm.UpdatePartitions(ctx, total, args...)
				if err != nil {
					return err
				}
				var errs []error
				for _, x := range responses.Sorted() {
					if x.Err != nil {
						errs = append(errs, fmt.Errorf("topic %s: %w", x.Topic, withMessage(x.Err, x.ErrMessage)))
						continue
					}
					fmt.Fprintf(c.OutOrStdout(), "%s has %s\n", x.Topic, plural(total, "partition", "partitions"))
				}
				return errors.Join(errs...)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, topicNames)
	r.flags(c)
	c.Flags().IntVar(&total, "to", 0, "the number of partitions then")
	return c
}

func (a *app) topicTrim() *cobra.Command {
	var r remote
	var before string
	var dryRun bool
	c := &cobra.Command{
		Use:   "trim TOPIC[:PARTITION,...]... --before OFFSET",
		Short: "Delete the records before an offset",
		Long: `Delete the records before an offset, or all with --before end. They are gone for
every reader at once.`,
		Args: someArgs("a topic"),
		RunE: func(c *cobra.Command, args []string) error {
			offset, err := strconv.ParseInt(before, 10, 64)
			if before == "end" {
				offset, err = -1, nil // the high watermark, by the protocol
			}
			if err != nil || before != "end" && offset < 0 {
				return usagef("--before %q: write an offset, or end", before)
			}
			chosen, err := parsePartitions(args)
			if err != nil {
				return err
			}
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				return trim(ctx, c, adm, chosen, offset, dryRun)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, topicNames)
	r.flags(c)
	c.Flags().StringVar(&before, "before", "", "an offset, or end for everything that is readable")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would go, and delete nothing")
	return c
}

func trim(ctx context.Context, c *cobra.Command, adm *kadm.Client, chosen kadm.TopicsSet, before int64, dryRun bool) error {
	if err := wholeTopics(ctx, adm, chosen); err != nil {
		return err
	}
	starts, err := adm.ListStartOffsets(ctx, chosen.Topics()...)
	if err != nil {
		return err
	}
	ends, err := adm.ListEndOffsets(ctx, chosen.Topics()...)
	if err != nil {
		return err
	}
	var responses kadm.DeleteRecordsResponses
	if !dryRun {
		offsets := kadm.Offsets{}
		chosen.Each(func(topic string, p int32) { offsets.AddOffset(topic, p, before, -1) })
		if responses, err = adm.DeleteRecords(ctx, offsets); err != nil {
			return err
		}
	}
	rows := [][]string{{"TOPIC", "PARTITION", "PRIOR-START", "START"}}
	var errs []error
	for _, list := range chosen.Sorted() {
		for _, p := range list.Partitions {
			prior, _ := starts.Lookup(list.Topic, p)
			end, _ := ends.Lookup(list.Topic, p)
			resp, done := responses.Lookup(list.Topic, p)
			switch {
			case !done && before > end.Offset, errors.Is(resp.Err, kerr.OffsetOutOfRange):
				errs = append(errs, fmt.Errorf("%s/%d ends at %d: nothing is deleted before %d", list.Topic, p, end.Offset, before))
				continue
			case resp.Err != nil:
				errs = append(errs, fmt.Errorf("%s/%d: %w", list.Topic, p, resp.Err))
				continue
			}
			start := resp.LowWatermark
			if !done && before < 0 {
				start = end.Offset
			} else if !done {
				start = max(before, prior.Offset)
			}
			rows = append(rows, []string{list.Topic, fmt.Sprint(p), fmt.Sprint(prior.Offset), fmt.Sprint(start)})
		}
	}
	return errors.Join(append(errs, printTable(c.OutOrStdout(), rows))...)
}
