package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/client"
)

func (a *app) clusterCommand() *cobra.Command {
	return parentCommand("cluster", "Show the cluster, finalize an upgrade", a.clusterInfo(), a.clusterFinalize())
}

// clusterInfo is what cluster info shows.
type clusterInfo struct {
	ID         string         `json:"id"`
	Controller int32          `json:"controller"`
	Brokers    []brokerInfo   `json:"brokers"`
	Topics     int            `json:"topics"` // without the log's own
	Partitions int            `json:"partitions"`
	Features   []featureInfo  `json:"features"`
	Quorum     *quorumInfo    `json:"quorum,omitempty"` // nil if the cluster does not tell
	Offline    []offlinePlace `json:"offline,omitempty"`
}

type brokerInfo struct {
	ID   int32  `json:"id"`
	Host string `json:"host"`
	Port int32  `json:"port"`
	Rack string `json:"rack,omitempty"`
}

type featureInfo struct {
	Name      string   `json:"name"`
	Finalized int16    `json:"finalized"` // 0 is off
	Supported [2]int16 `json:"supported"`
}

// quorumInfo is the state of the metadata quorum (KIP-595).
type quorumInfo struct {
	Leader        int32   `json:"leader"`
	LeaderEpoch   int32   `json:"leader_epoch"`
	HighWatermark int64   `json:"high_watermark"`
	Voters        []int32 `json:"voters"`
	Observers     []int32 `json:"observers,omitempty"`
}

// offlinePlace is a partition without a leader.
type offlinePlace struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

func (a *app) clusterInfo() *cobra.Command {
	var r remote
	var output string
	c := &cobra.Command{
		Use:   "info",
		Short: "Show brokers, features and the metadata quorum",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withConnection(c, &r, func(ctx context.Context, conn *client.Connection) error {
				info, err := askCluster(ctx, conn)
				if err != nil {
					return err
				}
				if output == "json" {
					return printJSON(c.OutOrStdout(), info)
				}
				return printCluster(c, info)
			})
		},
	}
	r.flags(c)
	outputFlag(c, &output)
	return c
}

func askCluster(ctx context.Context, conn *client.Connection) (clusterInfo, error) {
	m, err := conn.Admin().Metadata(ctx)
	if err != nil {
		return clusterInfo{}, err
	}
	info := clusterInfo{ID: m.Cluster, Controller: m.Controller, Features: []featureInfo{}}
	for _, b := range m.Brokers {
		bi := brokerInfo{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			bi.Rack = *b.Rack
		}
		info.Brokers = append(info.Brokers, bi)
	}
	for _, t := range m.Topics.Sorted() {
		if !t.IsInternal {
			info.Topics++
			info.Partitions += len(t.Partitions)
		}
		for _, p := range t.Partitions.Sorted() {
			if p.Leader < 0 {
				info.Offline = append(info.Offline, offlinePlace{p.Topic, p.Partition})
			}
		}
	}
	if info.Features, err = askFeatures(ctx, conn); err != nil {
		return info, err
	}
	info.Quorum, err = askQuorum(ctx, conn)
	return info, err
}

func askFeatures(ctx context.Context, conn *client.Connection) ([]featureInfo, error) {
	resp, err := conn.Cluster().Request(ctx, kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		return nil, err
	}
	v := resp.(*kmsg.ApiVersionsResponse)
	features := []featureInfo{}
	for _, s := range v.SupportedFeatures {
		f := featureInfo{Name: s.Name, Supported: [2]int16{s.MinVersion, s.MaxVersion}}
		for _, x := range v.FinalizedFeatures {
			if x.Name == s.Name {
				f.Finalized = x.MaxVersionLevel
			}
		}
		features = append(features, f)
	}
	slices.SortFunc(features, func(x, y featureInfo) int { return strings.Compare(x.Name, y.Name) })
	return features, nil
}

// askQuorum is nil for a cluster that does not serve DescribeQuorum, or not to us.
func askQuorum(ctx context.Context, conn *client.Connection) (*quorumInfo, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = []kmsg.DescribeQuorumRequestTopicPartition{kmsg.NewDescribeQuorumRequestTopicPartition()}
	req.Topics = append(req.Topics, topic)
	resp, err := conn.Cluster().Request(ctx, req)
	if err != nil {
		return nil, nil
	}
	q := resp.(*kmsg.DescribeQuorumResponse)
	if q.ErrorCode != 0 || len(q.Topics) != 1 || len(q.Topics[0].Partitions) != 1 || q.Topics[0].Partitions[0].ErrorCode != 0 {
		return nil, nil
	}
	p := q.Topics[0].Partitions[0]
	info := &quorumInfo{Leader: p.LeaderID, LeaderEpoch: p.LeaderEpoch, HighWatermark: p.HighWatermark}
	for _, v := range p.CurrentVoters {
		info.Voters = append(info.Voters, v.ReplicaID)
	}
	for _, o := range p.Observers {
		info.Observers = append(info.Observers, o.ReplicaID)
	}
	return info, nil
}

func printCluster(c *cobra.Command, info clusterInfo) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "cluster     %s\ncontroller  %d\ntopics      %d, with %s\n", info.ID, info.Controller, info.Topics, plural(info.Partitions, "partition", "partitions"))
	if q := info.Quorum; q != nil {
		fmt.Fprintf(out, "quorum      leader %d in term %d, voters %v, committed up to %d\n", q.Leader, q.LeaderEpoch, q.Voters, q.HighWatermark)
	}
	fmt.Fprintln(out)
	rows := [][]string{{"BROKER", "HOST", "PORT", "RACK"}}
	for _, b := range info.Brokers {
		rows = append(rows, []string{fmt.Sprint(b.ID), b.Host, fmt.Sprint(b.Port), b.Rack})
	}
	if err := printTable(out, rows); err != nil {
		return err
	}
	if len(info.Features) > 0 {
		fmt.Fprintln(out)
		rows = [][]string{{"FEATURE", "FINALIZED", "SUPPORTED"}}
		for _, f := range info.Features {
			rows = append(rows, []string{f.Name, fmt.Sprint(f.Finalized), fmt.Sprintf("%d to %d", f.Supported[0], f.Supported[1])})
		}
		if err := printTable(out, rows); err != nil {
			return err
		}
	}
	for _, o := range info.Offline {
		fmt.Fprintf(out, "\n%s/%d has no leader", o.Topic, o.Partition)
	}
	if len(info.Offline) > 0 {
		fmt.Fprintln(out)
	}
	return nil
}

// finalize asks by itself: kadm leaves out the broker's words, which name the levels
// that there are, or the node that cannot.
func finalize(ctx context.Context, conn *client.Connection, level int16, dryRun bool) error {
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.ValidateOnly = dryRun
	u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	u.Feature, u.MaxVersionLevel, u.UpgradeType = "millrace.version", level, 1
	req.FeatureUpdates = append(req.FeatureUpdates, u)
	resp, err := req.RequestWith(ctx, conn.Cluster())
	if err != nil {
		return err
	}
	errs := []error{withMessage(kerr.ErrorForCode(resp.ErrorCode), deref(resp.ErrorMessage))}
	for _, r := range resp.Results {
		errs = append(errs, withMessage(kerr.ErrorForCode(r.ErrorCode), deref(r.ErrorMessage)))
	}
	return errors.Join(errs...)
}

func (a *app) clusterFinalize() *cobra.Command {
	var r remote
	var dryRun bool
	c := &cobra.Command{
		Use:   "finalize LEVEL",
		Short: "Raise the cluster's feature level, after every node runs the new program",
		Long: `Raise millrace.version, the level that decides which record versions and API
ranges the cluster uses. Every node must run a program that knows it; there is no
way back to a lower level. millrace cluster info shows the present one.`,
		Args: exactArgs("a level"),
		RunE: func(c *cobra.Command, args []string) error {
			level, err := strconv.ParseInt(args[0], 10, 16)
			if err != nil || level < 1 {
				return usagef("%q is not a level: they are numbers from 1", args[0])
			}
			return a.withConnection(c, &r, func(ctx context.Context, conn *client.Connection) error {
				if err := finalize(ctx, conn, int16(level), dryRun); err != nil {
					return err
				}
				verb := "is"
				if dryRun {
					verb = "can be"
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "millrace.version %d %s finalized\n", level, verb)
				return err
			})
		},
	}
	r.flags(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "check whether every node can, and change nothing")
	return c
}
