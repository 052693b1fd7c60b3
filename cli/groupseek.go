package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// seekFlags are those of group seek.
type seekFlags struct {
	remote  remote
	to      string
	toGroup string
	topics  []string
	dryRun  bool
	output  string
}

// seekResult is one partition's move.
type seekResult struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Prior     *int64 `json:"prior"`
	New       int64  `json:"new"`
	Error     string `json:"error,omitempty"`
}

func (a *app) groupSeek() *cobra.Command {
	var f seekFlags
	c := &cobra.Command{
		Use:   "seek GROUP --to WHERE | --to-group OTHER",
		Short: "Set a group's committed offsets",
		Long: `Set a group's committed offsets. The group must have no members: stop its consumers first.

WHERE is one of
  start, end                the first offset, the one after the last
  12345                     an offset, kept within each partition's range
  2026-01-31T12:00:00Z      the first record of that time or later (RFC 3339)
  -2h30m                    the same, for so long ago

Without --topic it moves every topic in which the group has committed.`,
		Example: `  millrace group seek billing --to start
  millrace group seek billing --to -1h --topic orders --dry-run
  millrace group seek billing-new --to-group billing`,
		Args: exactArgs("a group's name"),
		RunE: func(c *cobra.Command, args []string) error {
			if (f.to == "") == (f.toGroup == "") {
				return usagef("%s needs either --to or --to-group", c.CommandPath())
			}
			target, err := parseTarget(f.to, time.Now())
			if err != nil {
				return err
			}
			chosen, err := parsePartitions(f.topics)
			if err != nil {
				return err
			}
			return a.withAdmin(c, &f.remote, func(ctx context.Context, adm *kadm.Client) error {
				results, err := f.seek(ctx, adm, args[0], target, chosen)
				if len(results) > 0 {
					err = errors.Join(err, f.print(c, results))
				}
				return err
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&f.remote, groupNames)
	f.remote.flags(c)
	outputFlag(c, &f.output)
	flags := c.Flags()
	flags.StringVar(&f.to, "to", "", "start, end, an offset, a time (RFC 3339), or a duration ago")
	flags.StringVar(&f.toGroup, "to-group", "", "take another group's offsets")
	flags.StringArrayVarP(&f.topics, "topic", "t", nil, "a topic, or TOPIC:PARTITION,...; repeatable (default: what the group has committed)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "show what would change, and change nothing")
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"start", "end"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("topic", a.completeWith(&f.remote, topicNames))
	_ = c.RegisterFlagCompletionFunc("to-group", a.completeWith(&f.remote, groupNames))
	return c
}

func (f *seekFlags) print(c *cobra.Command, results []seekResult) error {
	rows := [][]string{{"TOPIC", "PARTITION", "PRIOR", "NEW", "ERROR"}}
	for _, r := range results {
		rows = append(rows, []string{r.Topic, fmt.Sprint(r.Partition), offsetText(r.Prior), fmt.Sprint(r.New), r.Error})
	}
	return printList(c.OutOrStdout(), f.output, results, rows)
}

// target is where a seek goes.
type target struct {
	kind   targetKind
	offset int64
	millis int64
}

type targetKind uint8

const (
	toStart targetKind = iota
	toEnd
	toOffset
	toTime
)

// parseTarget reads what --to says; "" is toStart, which nobody uses then.
func parseTarget(s string, now time.Time) (target, error) {
	switch s {
	case "", "start":
		return target{kind: toStart}, nil
	case "end":
		return target{kind: toEnd}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return target{kind: toOffset, offset: n}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return target{kind: toTime, millis: t.UnixMilli()}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d < 0 {
		return target{kind: toTime, millis: now.Add(d).UnixMilli()}, nil
	}
	return target{}, usagef("--to %q: use start, end, an offset, a time like 2026-01-31T12:00:00Z, or a duration ago like -2h", s)
}

// seek finds the new offsets and commits them.
func (f *seekFlags) seek(ctx context.Context, adm *kadm.Client, group string, to target, chosen kadm.TopicsSet) ([]seekResult, error) {
	if err := mustBeEmpty(ctx, adm, group); err != nil {
		return nil, err
	}
	if err := wholeTopics(ctx, adm, chosen); err != nil {
		return nil, err
	}
	prior, err := committedOffsets(ctx, adm, group)
	if err != nil {
		return nil, err
	}
	var wanted kadm.Offsets
	if f.toGroup != "" {
		wanted, err = otherGroup(ctx, adm, f.toGroup, chosen)
	} else {
		if len(chosen) == 0 {
			chosen = prior.TopicsSet()
		}
		wanted, err = to.find(ctx, adm, chosen)
	}
	if err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("group %s has committed nothing: name the topics with --topic", group)
	}
	return f.commit(ctx, adm, group, prior, wanted)
}

func (f *seekFlags) commit(ctx context.Context, adm *kadm.Client, group string, prior, wanted kadm.Offsets) ([]seekResult, error) {
	var responses kadm.OffsetResponses
	if !f.dryRun {
		var err error
		if responses, err = adm.CommitOffsets(ctx, group, wanted); err != nil {
			return nil, err
		}
	}
	results := []seekResult{}
	failed := 0
	for _, o := range wanted.Sorted() {
		r := seekResult{Topic: o.Topic, Partition: o.Partition, New: o.At}
		if p, ok := prior.Lookup(o.Topic, o.Partition); ok {
			r.Prior = &p.At
		}
		if resp, ok := responses.Lookup(o.Topic, o.Partition); ok && resp.Err != nil {
			r.Error = resp.Err.Error()
			failed++
		}
		results = append(results, r)
	}
	if failed > 0 {
		return results, fmt.Errorf("%s of %d were not moved", plural(failed, "partition", "partitions"), len(results))
	}
	return results, nil
}

// mustBeEmpty refuses a group that consumers are in: they would overwrite what is
// committed, or be thrown out.
func mustBeEmpty(ctx context.Context, adm *kadm.Client, group string) error {
	listed, err := adm.ListGroups(ctx)
	if err != nil {
		return err
	}
	g, ok := listed[group]
	if ok && g.State != "" && !slices.Contains([]string{"Empty", "Dead"}, g.State) {
		return fmt.Errorf("group %s has members (it is %s): stop its consumers first", group, g.State)
	}
	return nil
}

// committedOffsets are a group's, without those that are none.
func committedOffsets(ctx context.Context, adm *kadm.Client, group string) (kadm.Offsets, error) {
	responses, err := adm.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) { // some brokers say so of a group that has committed nothing
		return kadm.Offsets{}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := responses.Error(); err != nil {
		return nil, err
	}
	offsets := responses.Offsets()
	offsets.KeepFunc(func(o kadm.Offset) bool { return o.At >= 0 })
	return offsets, nil
}

// otherGroup are the offsets of a group to copy from, of all topics or the chosen.
func otherGroup(ctx context.Context, adm *kadm.Client, group string, chosen kadm.TopicsSet) (kadm.Offsets, error) {
	offsets, err := committedOffsets(ctx, adm, group)
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", group, err)
	}
	if len(chosen) > 0 {
		offsets.KeepFunc(func(o kadm.Offset) bool { return chosen.Lookup(o.Topic, o.Partition) })
	}
	if len(offsets) == 0 {
		return nil, fmt.Errorf("group %s has committed nothing there", group)
	}
	return offsets, nil
}

// find asks where the target is in each partition.
func (t target) find(ctx context.Context, adm *kadm.Client, chosen kadm.TopicsSet) (kadm.Offsets, error) {
	if len(chosen) == 0 {
		return nil, nil
	}
	topics := chosen.Topics()
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var after kadm.ListedOffsets
	if t.kind == toTime {
		if after, err = adm.ListOffsetsAfterMilli(ctx, t.millis, topics...); err != nil {
			return nil, err
		}
	}
	found := kadm.Offsets{}
	var missing []string
	chosen.Each(func(topic string, p int32) {
		start, okStart := starts.Lookup(topic, p)
		end, okEnd := ends.Lookup(topic, p)
		at, okAfter := after.Lookup(topic, p)
		if !okStart || !okEnd || t.kind == toTime && !okAfter || errors.Join(start.Err, end.Err, at.Err) != nil {
			missing = append(missing, fmt.Sprintf("%s/%d", topic, p))
			return
		}
		offset := end.Offset
		switch t.kind {
		case toStart:
			offset = start.Offset
		case toOffset:
			offset = min(max(t.offset, start.Offset), end.Offset)
		case toTime:
			if at.Offset >= 0 { // else nothing is that late
				offset = at.Offset
			}
		}
		found.Add(kadm.Offset{Topic: topic, Partition: p, At: offset, LeaderEpoch: -1})
	})
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, fmt.Errorf("no offsets of %s: the topic or partition does not exist", strings.Join(missing, ", "))
	}
	return found, nil
}
