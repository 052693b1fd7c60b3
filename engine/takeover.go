package engine

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/log/client"
)

// takeOver makes this worker the one that runs the pipeline and loads the last
// committed epoch. The order matters:
//
//  1. rights and topics, so that everything below exists and is allowed;
//  2. the group: from here on an earlier worker's offset commits are fenced;
//  3. the transactional id: its open transaction is ended, one way or the other;
//  4. the group's offsets, waiting while any transaction that holds some is open;
//  5. only then the ends of changelog and splits topic, which are read to there;
//  6. staged sinks, which commit the last epoch's handle and drop what is beyond.
func (p *Pipeline) takeOver(ctx context.Context) error {
	var err error
	if p.cluster, err = p.client.ClusterID(ctx); err != nil {
		return err
	}
	if err := p.checkRights(ctx); err != nil {
		return err
	}
	if err := p.ensureTopics(ctx); err != nil {
		return err
	}
	if err := p.joinGroup(ctx); err != nil {
		return err
	}
	if err := p.openWriter(ctx); err != nil {
		return err
	}
	offsets, err := p.client.FetchOffsets(ctx, p.plan.graph.Name, true)
	if err != nil {
		return fmt.Errorf("read the group's offsets: %w", err)
	}
	if err := p.loadPositions(ctx, offsets); err != nil {
		return err
	}
	if len(p.plan.stages) > 0 {
		if err := p.loadStates(ctx); err != nil {
			return err
		}
	}
	p.lastCheckpoint = time.Now()
	p.uncommitted.Store(0)
	return p.recoverSinks(ctx)
}

// ensureTopics creates what is missing: topics that sources read and sinks write,
// and the pipeline's own.
func (p *Pipeline) ensureTopics(ctx context.Context) error {
	compact := map[string]string{"cleanup.policy": "compact"}
	specs := []client.TopicSpec{{Name: p.splitsTopic(), Partitions: 1, Configs: compact}}
	named := map[string]bool{}
	for _, n := range p.plan.graph.Nodes {
		for _, topic := range topicsOf(n) {
			if !named[topic] {
				named[topic] = true
				specs = append(specs, client.TopicSpec{Name: topic})
			}
		}
	}
	if len(p.plan.stages) > 0 {
		specs = append(specs, client.TopicSpec{Name: p.changelogTopic(), Partitions: int32(p.graph.StatePartitions), Configs: compact})
	}
	absent := p.absentSources(ctx)
	if err := p.client.EnsureTopics(ctx, specs...); err != nil {
		return fmt.Errorf("create the pipeline's topics: %w", err)
	}
	for _, n := range absent {
		p.logger.Warn("the topic of a source was not there and has been created: is its name right?", "source", n.Name, "topic", n.Source.Topic)
	}
	if len(p.plan.stages) == 0 {
		return nil
	}
	changelog, err := p.client.DescribeTopic(ctx, p.changelogTopic())
	if err != nil {
		return err
	}
	p.changelogID = changelog.ID
	return p.openStates()
}

// absentSources are the sources whose topics are not there. A misspelt name would else
// be waited for without a word.
func (p *Pipeline) absentSources(ctx context.Context) []*dsl.Node {
	var absent []*dsl.Node
	for _, n := range p.plan.graph.Nodes {
		if n.Kind != dsl.Source || n.Source.Topic == "" {
			continue
		}
		if _, err := p.client.DescribeTopic(ctx, n.Source.Topic); errors.Is(err, client.ErrUnknownTopic) {
			absent = append(absent, n)
		}
	}
	return absent
}

func topicsOf(n *dsl.Node) []string {
	switch {
	case n.Kind == dsl.Source && n.Source.Topic != "":
		return []string{n.Source.Topic}
	case n.Kind == dsl.Sink && n.Sink.Topic != "":
		return []string{n.Sink.Topic}
	}
	return nil
}

// joinGroup enters the pipeline's group as a static member, so that a restart goes
// on at once. The group subscribes to the splits topic, which has one partition:
// who is assigned it runs the pipeline, the others stand by.
func (p *Pipeline) joinGroup(ctx context.Context) error {
	name := p.plan.graph.Name
	if p.group == nil {
		p.group = p.client.NewGroup(client.GroupOptions{
			Group: name, Instance: p.transactionalID(), Topics: []string{p.splitsTopic()},
			SessionTimeout: p.options.SessionTimeout, Logger: p.logger,
		})
	}
	for {
		member, err := p.group.Join(ctx)
		if err != nil {
			return fmt.Errorf("join group %s: %w", name, err)
		}
		p.member = member
		if len(member.Partitions) > 0 {
			return nil
		}
		p.logger.Info("another worker runs the pipeline; standing by")
		select {
		case <-member.Lost():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// openWriter makes the writer on the first take-over and settles what an earlier
// life, or this one, left open.
func (p *Pipeline) openWriter(ctx context.Context) error {
	if p.writer == nil {
		o := client.ProducerOptions{Logger: p.logger}
		if p.options.AtLeastOnce {
			p.writer = plainWriter{p.client.NewProducer(o), p.client}
		} else {
			p.writer = transaction{p.client.NewTxnProducer(client.TxnOptions{TransactionalID: p.transactionalID(), ProducerOptions: o})}
		}
	}
	if err := p.writer.init(ctx); err != nil {
		return fmt.Errorf("take over the transactional id: %w", err)
	}
	return nil
}

// transactionalID is also the worker's place in the group: who takes the one takes
// the other.
func (p *Pipeline) transactionalID() string { return p.plan.graph.Name + "/" + p.options.Worker }

// loadPositions sets the committed positions from the group's offsets and the
// splits topic, and refuses offsets that somebody else has moved.
func (p *Pipeline) loadPositions(ctx context.Context, offsets map[client.TopicPartition]client.Committed) error {
	log, err := p.readSplits(ctx)
	if err != nil {
		return fmt.Errorf("read the splits topic: %w", err)
	}
	p.positions, p.handles = log.splits, log.sinks
	p.epoch.Store(log.epoch.Epoch)
	p.topicIDs = log.epoch.TopicIDs
	if p.topicIDs == nil {
		p.topicIDs = map[string]string{}
	}
	if len(p.plan.stages) > 0 {
		if err := p.identify(p.changelogTopic(), p.changelogID); err != nil {
			return err
		}
	}
	if _, err := p.discover(ctx); err != nil {
		return err
	}
	topics := map[client.TopicPartition]splitKey{}
	for k, tp := range p.topicSplits {
		topics[tp] = k
	}
	got := map[string]int64{}
	for tp, c := range offsets {
		got[tpName(tp)] = c.Offset
		epoch, w, _ := parseOffsetMetadata(c.Metadata)
		if err := p.sameSplitsTopic(epoch); err != nil {
			return err
		}
		k, ours := topics[tp]
		if !ours {
			continue // of a source that the pipeline had before
		}
		p.positions[k] = splitState{known: true, position: topicPosition(c.Offset), watermark: w}
	}
	if p.options.AtLeastOnce {
		return nil // the offsets are not written together with the epoch record
	}
	return sameOffsets(p.plan.graph.Name, log.epoch.Offsets, got)
}

// OffsetsMoved says that the group's offsets are not those of the last epoch:
// somebody moved them. State holds the rows up to the epoch's, so going on from
// anywhere else would lose rows or count them twice.
type OffsetsMoved struct {
	Group   string
	Epoch   map[string]int64 // "topic/partition" as the last epoch committed them
	Current map[string]int64
}

func (e *OffsetsMoved) Error() string {
	var parts []string
	for tp, want := range e.Epoch {
		got, ok := e.Current[tp]
		switch {
		case !ok:
			parts = append(parts, fmt.Sprintf("%s has none, the last epoch committed %d", tp, want))
		case got != want:
			parts = append(parts, fmt.Sprintf("%s stands at %d, the last epoch committed %d", tp, got, want))
		}
	}
	sort.Strings(parts)
	return fmt.Sprintf("the offsets of group %s were moved: %s; state holds everything before the epoch's offsets: set them back, or start the pipeline under another name to replay", e.Group, strings.Join(parts, "; "))
}

func sameOffsets(group string, epoch, current map[string]int64) error {
	for tp, want := range epoch {
		if got, ok := current[tp]; !ok || got != want {
			return &OffsetsMoved{group, epoch, current}
		}
	}
	return nil
}
