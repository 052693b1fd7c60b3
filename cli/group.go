package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func (a *app) groupCommand() *cobra.Command {
	return parentCommand("group", "List, describe, seek and delete consumer groups",
		a.groupList(), a.groupDescribe(), a.groupSeek(), a.groupDelete(), a.groupForget())
}

// groupInfo is a group as list shows it.
type groupInfo struct {
	Group        string `json:"group"`
	Type         string `json:"type"` // classic or consumer (KIP-848)
	State        string `json:"state"`
	ProtocolType string `json:"protocol_type"`
	Coordinator  int32  `json:"coordinator"`
}

func (a *app) groupList() *cobra.Command {
	var r remote
	var output string
	var states []string
	c := &cobra.Command{
		Use:   "list",
		Short: "List groups",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				infos, err := listGroups(ctx, adm, states)
				if err != nil {
					return err
				}
				rows := [][]string{{"GROUP", "TYPE", "STATE", "PROTOCOL", "COORDINATOR"}}
				for _, g := range infos {
					rows = append(rows, []string{g.Group, g.Type, g.State, g.ProtocolType, fmt.Sprint(g.Coordinator)})
				}
				return printList(c.OutOrStdout(), output, infos, rows)
			})
		},
	}
	r.flags(c)
	outputFlag(c, &output)
	c.Flags().StringSliceVarP(&states, "state", "s", nil, "only groups in these states (Stable, Empty, ...)")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Dead"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// listGroups asks twice, because an answer does not say a group's type.
func listGroups(ctx context.Context, adm *kadm.Client, states []string) ([]groupInfo, error) {
	all, err := adm.ListGroups(ctx, states...)
	if err != nil {
		return nil, err
	}
	consumer, err := adm.ListGroupsByType(ctx, []string{"consumer"}, states...)
	if err != nil {
		return nil, err
	}
	classic, err := adm.ListGroupsByType(ctx, []string{"classic"}, states...)
	if err != nil {
		return nil, err
	}
	infos := []groupInfo{}
	for _, g := range all.Sorted() {
		info := groupInfo{g.Group, "classic", g.State, g.ProtocolType, g.Coordinator}
		_, isClassic := classic[g.Group] // brokers that know no types name every group for every type
		if _, ok := consumer[g.Group]; ok && !isClassic {
			info.Type = "consumer"
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (a *app) groupDescribe() *cobra.Command {
	var r remote
	var output string
	c := &cobra.Command{
		Use:   "describe GROUP...",
		Short: "Show groups' members, offsets and lag",
		Args:  someArgs("a group's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				groups := []groupDetail{}
				var errs []error
				for _, name := range args {
					g, err := describeGroup(ctx, adm, name)
					if err != nil {
						errs = append(errs, fmt.Errorf("group %s: %w", name, err))
						continue
					}
					groups = append(groups, g)
				}
				if output == "json" {
					return errors.Join(append(errs, printJSON(c.OutOrStdout(), groups))...)
				}
				for i, g := range groups {
					if i > 0 {
						fmt.Fprintln(c.OutOrStdout())
					}
					errs = append(errs, printGroup(c, g))
				}
				return errors.Join(errs...)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, groupNames)
	r.flags(c)
	outputFlag(c, &output)
	return c
}

func printGroup(c *cobra.Command, g groupDetail) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "group        %s\ntype         %s\nstate        %s\n", printable(g.Group), g.Type, g.State)
	if g.Assignor != "" {
		fmt.Fprintf(out, "assignor     %s\n", printable(g.Assignor))
	}
	fmt.Fprintf(out, "coordinator  %d\nmembers      %d\nlag          %s\n", g.Coordinator, len(g.Members), offsetText(g.Lag))
	if len(g.Partitions) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	rows := [][]string{{"TOPIC", "PARTITION", "COMMITTED", "START", "END", "LAG", "MEMBER", "CLIENT", "HOST"}}
	for _, p := range g.Partitions {
		rows = append(rows, []string{
			p.Topic, fmt.Sprint(p.Partition), offsetText(p.Committed), offsetText(p.Start), offsetText(p.End), offsetText(p.Lag),
			p.Member, p.ClientID, p.Host,
		})
	}
	if err := printTable(out, rows); err != nil {
		return err
	}
	for _, p := range g.Partitions {
		if p.Error != "" {
			fmt.Fprintf(out, "%s/%d: %s\n", p.Topic, p.Partition, p.Error)
		}
	}
	return nil
}

// offsetText is an offset or a lag, or a dash where there is none.
func offsetText(o *int64) string {
	if o == nil {
		return "-"
	}
	return fmt.Sprint(*o)
}

func (a *app) groupDelete() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:   "delete GROUP...",
		Short: "Delete groups and their offsets",
		Long:  "Delete groups and their offsets. A group must have no members.",
		Args:  someArgs("a group's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				responses, err := adm.DeleteGroups(ctx, args...)
				if err != nil {
					return err
				}
				var errs []error
				for _, d := range responses.Sorted() {
					if d.Err != nil {
						errs = append(errs, fmt.Errorf("group %s: %w", d.Group, withMessage(d.Err, d.ErrMessage)))
						continue
					}
					fmt.Fprintf(c.OutOrStdout(), "deleted %s\n", d.Group)
				}
				return errors.Join(errs...)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, groupNames)
	r.flags(c)
	return c
}

func (a *app) groupForget() *cobra.Command {
	var r remote
	var topics []string
	c := &cobra.Command{
		Use:   "offset-delete GROUP --topic TOPIC[:PARTITION,...]",
		Short: "Delete a group's offsets of some topics",
		Long:  "Delete a group's offsets of some topics. The group must not be subscribed to them.",
		Args:  exactArgs("a group's name"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(topics) == 0 {
				return usagef("%s needs --topic", c.CommandPath())
			}
			chosen, err := parsePartitions(topics)
			if err != nil {
				return err
			}
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				if err := wholeTopics(ctx, adm, chosen); err != nil {
					return err
				}
				responses, err := adm.DeleteOffsets(ctx, args[0], chosen)
				if err != nil {
					return err
				}
				var errs []error
				responses.EachError(func(topic string, partition int32, err error) {
					errs = append(errs, fmt.Errorf("%s/%d: %w", topic, partition, err))
				})
				if len(errs) == 0 {
					fmt.Fprintf(c.OutOrStdout(), "deleted %s of %s\n", plural(len(chosen.IntoList()), "topic's offsets", "topics' offsets"), args[0])
				}
				return errors.Join(errs...)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, groupNames)
	r.flags(c)
	c.Flags().StringArrayVarP(&topics, "topic", "t", nil, "a topic, or TOPIC:PARTITION,...; repeatable")
	_ = c.RegisterFlagCompletionFunc("topic", a.completeWith(&r, topicNames))
	return c
}

// parsePartitions reads TOPIC and TOPIC:0,1,2. A topic alone is there with no
// partitions, which means all.
func parsePartitions(args []string) (kadm.TopicsSet, error) {
	set := kadm.TopicsSet{}
	for _, arg := range args {
		topic, list, some := strings.Cut(arg, ":")
		if topic == "" {
			return nil, usagef("%q: write TOPIC or TOPIC:PARTITION,...", arg)
		}
		set.Add(topic)
		if !some {
			continue
		}
		for _, p := range strings.Split(list, ",") {
			n, err := parsePartition(p)
			if err != nil {
				return nil, usagef("%q: %v", arg, err)
			}
			set.Add(topic, n)
		}
	}
	return set, nil
}

// wholeTopics fills in the partitions of topics that stand without any, and names the
// first topic or partition that is not there.
func wholeTopics(ctx context.Context, adm *kadm.Client, set kadm.TopicsSet) error {
	if len(set) == 0 {
		return nil
	}
	details, err := adm.ListTopics(ctx, set.Topics()...)
	if err != nil {
		return err
	}
	for _, topic := range sortedKeys(set) {
		d := details[topic]
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("topic %s: there is no such topic (millrace topic list names those that are)", topic)
		}
		if d.Err != nil {
			return fmt.Errorf("topic %s: %w", topic, d.Err)
		}
		for _, p := range sortedKeys(set[topic]) {
			if _, ok := d.Partitions[p]; !ok {
				return fmt.Errorf("topic %s has no partition %d, only %d of them from 0 on", topic, p, len(d.Partitions))
			}
		}
		if len(set[topic]) == 0 {
			set.Add(topic, sortedKeys(d.Partitions)...)
		}
	}
	return nil
}
