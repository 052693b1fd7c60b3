package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/statestore"
)

// keyedState is the state of one keyed operator on this worker: a store on disk,
// and a task per goroutine that owns part of the state partitions.
type keyedState struct {
	node  *dsl.Node
	store *statestore.Store
	tasks []*statestore.Task
	owner []int32 // task of each state partition
	flush *flusher
}

func (k *keyedState) commit() {
	for _, t := range k.tasks {
		t.Commit()
	}
}

func (k *keyedState) abort() {
	for _, t := range k.tasks {
		t.Abort()
	}
}

func (k *keyedState) release() {
	for _, t := range k.tasks {
		t.Release()
	}
	k.tasks = nil
}

// openStates opens the stores; they stay open until Run ends.
func (p *Pipeline) openStates() error {
	if p.states != nil {
		return nil
	}
	p.states = map[*dsl.Node]*keyedState{}
	for _, f := range p.plan.stages {
		name := stateName(f.head)
		store, err := statestore.Open(statestore.Options{
			FS: p.options.FS, Dir: path.Join(p.options.StateDir, name), Logger: p.logger,
			MemoryBytes: p.graph.StateMemory / int64(len(p.plan.stages)),
			Identity: statestore.Identity{
				ClusterID: p.cluster, Pipeline: p.plan.graph.Name,
				ChangelogTopicID: p.changelogID, Partitions: int32(p.graph.StatePartitions),
			},
		})
		if err != nil {
			return fmt.Errorf("open state of operator %s: %w", f.head.Name, err)
		}
		p.states[f.head] = &keyedState{node: f.head, store: store, flush: newFlusher(store)}
	}
	return nil
}

// loadStates brings every keyed operator's state up to the last committed epoch:
// the last checkpoint from disk, then the changelog's tail.
func (p *Pipeline) loadStates(ctx context.Context) error {
	from := map[client.TopicPartition]int64{}
	owners := map[string]*keyedState{}
	for _, f := range p.plan.stages {
		k := p.states[f.head]
		k.release()
		owners[stateName(f.head)] = k
		if err := p.loadState(ctx, k, from); err != nil {
			return fmt.Errorf("load state of operator %s: %w", f.head.Name, err)
		}
	}
	if len(from) == 0 {
		return nil
	}
	return p.replay(ctx, from, func(tp client.TopicPartition, key, value []byte) error {
		if err := p.sameSplitsTopic(1); err != nil && !p.options.AtLeastOnce {
			return err // state, and no epoch that it is of
		}
		name, err := statestore.Operator(key)
		if err != nil {
			return fmt.Errorf("changelog %s/%d: %w", tp.Topic, tp.Partition, err)
		}
		k := owners[name]
		if k == nil {
			return nil // state of an operator that the pipeline no longer has
		}
		return k.tasks[k.owner[tp.Partition]].Restore(tp.Partition, key, value)
	})
}

// loadState makes the tasks of one operator and lowers from to where its
// checkpoints end.
func (p *Pipeline) loadState(ctx context.Context, k *keyedState, from map[client.TopicPartition]int64) error {
	partitions := p.graph.StatePartitions
	tasks := min(p.parallelism(k.node), partitions)
	owned := make([][]int32, tasks)
	k.owner = make([]int32, partitions)
	for i := range partitions {
		t := i * tasks / partitions
		k.owner[i] = int32(t)
		owned[t] = append(owned[t], int32(i))
	}
	starts, err := p.client.ListOffsets(ctx, client.Earliest, p.changelogPartitions()...)
	if err != nil {
		return err
	}
	for _, parts := range owned {
		t, err := k.store.Task(parts)
		if err != nil {
			return err
		}
		k.tasks = append(k.tasks, t)
		if err := t.Load(); err != nil {
			return err
		}
		for _, part := range parts {
			tp := client.TopicPartition{Topic: p.changelogTopic(), Partition: part}
			at, err := p.restoreFrom(t, part, starts[tp])
			if err != nil {
				return err
			}
			if was, ok := from[tp]; !ok || at < was {
				from[tp] = at
			}
		}
	}
	return nil
}

// tombstoneRetention is how long compaction keeps the changelog's tombstones at least
// (delete.retention.ms, Kafka's default). The tail is not replayed from a checkpoint
// that is not fresh by it: that could bring deleted keys back.
const tombstoneRetention = 24 * time.Hour

// restoreFrom is the changelog offset from which a partition is replayed. A
// checkpoint that the changelog no longer reaches back to is dropped, and the
// partition restored from the start.
func (p *Pipeline) restoreFrom(t *statestore.Task, partition int32, logStart int64) (int64, error) {
	pos, ok := t.Position(partition)
	switch {
	case !ok:
		return 0, nil
	case pos.Offset >= logStart && pos.Fresh(time.Now(), tombstoneRetention) == nil:
		return pos.Offset, nil
	}
	p.logger.Info("checkpoint too old for the changelog's tail; restoring from its start", "partition", partition, "checkpoint", pos.Time)
	return 0, t.Wipe(partition)
}

func (p *Pipeline) parallelism(n *dsl.Node) int {
	if n.Parallelism > 0 {
		return n.Parallelism
	}
	return p.options.Parallelism
}

func (p *Pipeline) changelogPartitions() []client.TopicPartition {
	all := make([]client.TopicPartition, p.graph.StatePartitions)
	for i := range all {
		all[i] = client.TopicPartition{Topic: p.changelogTopic(), Partition: int32(i)}
	}
	return all
}

func (p *Pipeline) changelogFor(out *recorder) changelogWriter {
	topic := p.changelogTopic()
	return func(partition int32, key, value []byte) error {
		return out.Append(topic, partition, time.Now().UnixMilli(), key, value)
	}
}

// wantsCheckpoint says whether state should be written back after this epoch.
func (p *Pipeline) wantsCheckpoint() bool {
	if len(p.states) == 0 || p.graph.Checkpoint == 0 {
		return false
	}
	due := time.Since(p.lastCheckpoint) >= p.graph.Checkpoint
	for _, k := range p.states {
		for _, t := range k.tasks {
			due = due || t.OverBudget()
		}
	}
	if due {
		p.lastCheckpoint = time.Now()
	}
	return due
}

// checkpointSlice is how much of a checkpoint is written between two epochs: some
// ten milliseconds' worth.
const checkpointSlice = 4 << 20

// checkpoint runs on a task's goroutine between two epochs: it starts a
// checkpoint if one is due, and writes a slice of the one that is running.
func (p *Pipeline) checkpoint(ctx context.Context, t *task, e *epoch) error {
	if p.checkpointDue.Load() && !t.checkpointing {
		positions, err := p.checkpointPositions(ctx, t, e)
		if err != nil {
			return err
		}
		if err := t.state.BeginCheckpoint(positions); err != nil {
			return fmt.Errorf("operator %s: checkpoint: %w", t.node.Name, err)
		}
		t.checkpointing = true
	}
	size := checkpointSlice
	if t.state.OverBudget() {
		size = 1 << 62 // what is over budget must be on disk before it can be evicted
	}
	done, err := t.state.StepCheckpoint(size)
	if err != nil {
		return fmt.Errorf("operator %s: checkpoint: %w", t.node.Name, err)
	}
	if done && t.checkpointing {
		t.checkpointing = false
		p.states[t.node].flush.ask()
	}
	return p.states[t.node].flush.failed()
}

// checkpointPositions are the changelog offsets behind the epoch that has just
// committed: a replay from there sees every later change.
func (p *Pipeline) checkpointPositions(ctx context.Context, t *task, e *epoch) (map[int32]statestore.Position, error) {
	var mine []client.TopicPartition
	for part, owner := range p.states[t.node].owner {
		if int(owner) == t.index {
			mine = append(mine, client.TopicPartition{Topic: p.changelogTopic(), Partition: int32(part)})
		}
	}
	ends, err := p.client.ListOffsets(ctx, client.LastStable, mine...)
	if err != nil {
		return nil, fmt.Errorf("operator %s: checkpoint: %w", t.node.Name, err)
	}
	now := time.Now()
	positions := map[int32]statestore.Position{}
	for tp, at := range ends {
		positions[tp.Partition] = statestore.Position{Offset: at, Epoch: e.number, Time: now}
	}
	return positions, nil
}

// release gives back the group, the writer and the stores.
func (p *Pipeline) release() error {
	var errs []error
	for _, k := range p.states {
		k.release()
		if err := errors.Join(k.flush.close(), k.store.Flush(), k.store.Close()); err != nil {
			errs = append(errs, fmt.Errorf("close state of operator %s: %w", k.node.Name, err))
		}
	}
	p.states = nil
	if p.writer != nil {
		errs = append(errs, p.writer.Close())
		p.writer = nil
	}
	if p.group != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, p.group.Close(ctx))
		p.group = nil
	}
	return errors.Join(errs...)
}
