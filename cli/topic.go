package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/client"
)

func (a *app) topicCommand() *cobra.Command {
	return parentCommand("topic", "Create, list, describe, widen, trim and delete topics",
		a.topicCreate(), a.topicList(), a.topicDescribe(), a.topicAddPartitions(), a.topicTrim(), a.topicDelete())
}

func (a *app) topicCreate() *cobra.Command {
	var r remote
	spec := client.TopicSpec{}
	var configs []string
	c := &cobra.Command{
		Use:   "create TOPIC",
		Short: "Create a topic",
		Args:  exactArgs("a topic's name"),
		RunE: func(c *cobra.Command, args []string) error {
			spec.Name, spec.Configs = args[0], map[string]string{}
			for _, flag := range []string{"partitions", "replicas"} {
				if f := c.Flags().Lookup(flag); f.Changed && (f.Value.String() == "0" || strings.HasPrefix(f.Value.String(), "-")) {
					return usagef("--%s %s: a topic has at least 1", flag, f.Value)
				}
			}
			for _, kv := range configs {
				k, v, ok := strings.Cut(kv, "=")
				if !ok {
					return usagef("--config %q: write key=value", kv)
				}
				spec.Configs[k] = v
			}
			return a.withClient(c, &r, func(ctx context.Context, cl *client.Client) error {
				if err := cl.CreateTopics(ctx, spec); err != nil {
					return err
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "created %s\n", spec.Name)
				return err
			})
		},
	}
	r.flags(c)
	c.Flags().Int32VarP(&spec.Partitions, "partitions", "p", 0, "number of partitions (default: the broker's)")
	c.Flags().Int16VarP(&spec.ReplicationFactor, "replicas", "r", 0, "copies of each partition (default: the broker's)")
	c.Flags().StringArrayVarP(&configs, "config", "c", nil, "a setting, key=value; repeatable")
	return c
}

// topicInfo is a topic as list and describe show it.
type topicInfo struct {
	Name       string            `json:"name"`
	ID         string            `json:"id"`
	Internal   bool              `json:"internal,omitempty"`
	Partitions []partitionInfo   `json:"partitions"`
	Configs    map[string]string `json:"configs,omitempty"`
	// HiddenConfigs says that this user may not see them.
	HiddenConfigs bool `json:"hidden_configs,omitempty"`
}

type partitionInfo struct {
	Partition   int32   `json:"partition"`
	Leader      int32   `json:"leader"`
	LeaderEpoch int32   `json:"leader_epoch"`
	Replicas    []int32 `json:"replicas"`
	ISR         []int32 `json:"isr"`
	Start       *int64  `json:"start,omitempty"`
	End         *int64  `json:"end,omitempty"`
}

func describeTopic(t *client.Topic) topicInfo {
	info := topicInfo{Name: t.Name, ID: fmt.Sprintf("%x", t.ID[:]), Internal: t.Internal}
	for i, p := range t.Partitions {
		info.Partitions = append(info.Partitions, partitionInfo{
			Partition: int32(i), Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR,
		})
	}
	return info
}

func (a *app) topicList() *cobra.Command {
	var r remote
	var output string
	var internal bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List topics",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, &r, func(ctx context.Context, cl *client.Client) error {
				topics, err := cl.ListTopics(ctx)
				if err != nil {
					return err
				}
				infos := []topicInfo{}
				rows := [][]string{{"NAME", "PARTITIONS", "REPLICAS"}}
				for _, t := range topics {
					if t.Internal && !internal {
						continue
					}
					infos = append(infos, describeTopic(t))
					replicas := 0
					if len(t.Partitions) > 0 {
						replicas = len(t.Partitions[0].Replicas)
					}
					rows = append(rows, []string{t.Name, fmt.Sprint(len(t.Partitions)), fmt.Sprint(replicas)})
				}
				if output == "json" {
					return printJSON(c.OutOrStdout(), infos)
				}
				return printTable(c.OutOrStdout(), rows)
			})
		},
	}
	r.flags(c)
	c.Flags().BoolVar(&internal, "internal", false, "also the log's own topics")
	outputFlag(c, &output)
	return c
}

func (a *app) topicDescribe() *cobra.Command {
	var r remote
	var output string
	c := &cobra.Command{
		Use:   "describe TOPIC",
		Short: "Show a topic's partitions, offsets and settings",
		Args:  exactArgs("a topic's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, &r, func(ctx context.Context, cl *client.Client) error {
				info, err := fullTopic(ctx, cl, args[0])
				if err != nil {
					return err
				}
				if output == "json" {
					return printJSON(c.OutOrStdout(), info)
				}
				return printTopic(c, info)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, topicNames)
	r.flags(c)
	outputFlag(c, &output)
	return c
}

// fullTopic asks for everything that describe shows.
func fullTopic(ctx context.Context, cl *client.Client, name string) (topicInfo, error) {
	t, err := cl.DescribeTopic(ctx, name)
	if err != nil {
		return topicInfo{}, err
	}
	info := describeTopic(t)
	// Who may read a topic need not be allowed to see its settings.
	info.Configs, err = cl.TopicConfigs(ctx, name)
	var refused *client.BrokerError
	if errors.As(err, &refused) && refused.Code == kerr.TopicAuthorizationFailed.Code {
		info.HiddenConfigs = true
	} else if err != nil {
		return info, err
	}
	all := make([]client.TopicPartition, len(t.Partitions))
	for i := range all {
		all[i] = client.TopicPartition{Topic: name, Partition: int32(i)}
	}
	starts, err := cl.ListOffsets(ctx, client.Earliest, all...)
	if err != nil {
		return info, err
	}
	ends, err := cl.ListOffsets(ctx, client.HighWatermark, all...)
	if err != nil {
		return info, err
	}
	for i, tp := range all {
		start, end := starts[tp], ends[tp]
		info.Partitions[i].Start, info.Partitions[i].End = &start, &end
	}
	return info, nil
}

func printTopic(c *cobra.Command, info topicInfo) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "name  %s\nid    %s\n\n", info.Name, info.ID)
	rows := [][]string{{"PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "START", "END"}}
	for _, p := range info.Partitions {
		rows = append(rows, []string{
			fmt.Sprint(p.Partition), fmt.Sprint(p.Leader), fmt.Sprint(p.LeaderEpoch),
			fmt.Sprint(p.Replicas), fmt.Sprint(p.ISR), fmt.Sprint(*p.Start), fmt.Sprint(*p.End),
		})
	}
	if err := printTable(out, rows); err != nil {
		return err
	}
	if info.HiddenConfigs {
		_, err := fmt.Fprintln(out, "\nthe settings are not shown: this user lacks DESCRIBE_CONFIGS on the topic")
		return err
	}
	if len(info.Configs) == 0 {
		return nil
	}
	settings := [][]string{{"SETTING", "VALUE"}}
	for k, v := range info.Configs {
		settings = append(settings, []string{k, v})
	}
	slices.SortFunc(settings[1:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	fmt.Fprintln(out)
	return printTable(out, settings)
}

func (a *app) topicDelete() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:   "delete TOPIC...",
		Short: "Delete topics and everything in them",
		Args:  someArgs("a topic's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, &r, func(ctx context.Context, cl *client.Client) error {
				var errs []error
				for _, topic := range args {
					if err := cl.DeleteTopics(ctx, topic); err != nil {
						errs = append(errs, err)
						continue
					}
					fmt.Fprintf(c.OutOrStdout(), "deleted %s\n", topic)
				}
				return errors.Join(errs...)
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, topicNames)
	r.flags(c)
	return c
}
