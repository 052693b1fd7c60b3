package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
)

// outcome is what becomes true when an epoch commits.
type outcome struct {
	epoch     uint64
	positions map[splitKey]splitState
	handles   map[string][]byte // staged sinks, all of them
	staged    map[string][]byte // those of this epoch
	rows      int64
}

// worthCommitting says whether anything happened in the epoch.
func (p *Pipeline) worthCommitting(meet *rendezvous) bool {
	if meet.changed || p.uncommitted.Load() > 0 {
		return true
	}
	for _, s := range meet.splits {
		at := p.positions[s.key]
		if s.rows > 0 || string(at.position) != string(s.position) || s.watermark > at.since() {
			return true
		}
	}
	return false
}

// since is the committed watermark, MinTime if there is none.
func (s splitState) since() int64 {
	if !s.known {
		return columnar.MinTime
	}
	return s.watermark
}

// refreshEvery is how often positions are committed that have not changed. A
// cluster forgets offsets that nobody has committed for long, a week by default.
const refreshEvery = time.Hour

// commit makes the epoch visible: staged sinks prepare, positions and handles go
// into the transaction, the offsets go last, then the transaction commits. The
// order is the promise: everything that the commit makes true is durable before.
func (p *Pipeline) commit(ctx context.Context, e *epoch, meet *rendezvous) error {
	began := time.Now()
	p.refresh = began.Sub(p.refreshed) >= refreshEvery
	o := &outcome{epoch: e.number, positions: maps.Clone(p.positions), handles: maps.Clone(p.handles), staged: map[string][]byte{}}
	offsets, err := p.record(ctx, o, meet)
	if err != nil {
		return err
	}
	if err := p.writer.commit(ctx, p.member.GroupMeta, offsets); err != nil {
		var doubt unsettled
		if errors.As(err, &doubt) {
			p.doubtful = o
		}
		return fmt.Errorf("commit epoch %d: %w", e.number, err)
	}
	p.landed = true
	if p.refresh {
		p.refreshed = began
	}
	if err := p.apply(ctx, o); err != nil {
		return err
	}
	took := time.Since(began)
	p.times.add(took)
	p.commitMedian.Store(int64(p.times.median()))
	return nil
}

// record writes the epoch's records and returns its offsets.
func (p *Pipeline) record(ctx context.Context, o *outcome, meet *rendezvous) (map[client.TopicPartition]client.Committed, error) {
	offsets := map[client.TopicPartition]client.Committed{
		p.home(): {LeaderEpoch: -1, Metadata: offsetMetadata(o.epoch, columnar.MinTime)},
	}
	for n, s := range p.sinks {
		handle, err := s.prepare(ctx, o.epoch)
		if err != nil {
			return nil, err
		}
		if handle == nil {
			continue
		}
		o.handles[n.Name], o.staged[n.Name] = handle, handle
		if err := p.write(sinkRecordKey(n.Name), sinkRecord{o.epoch, handle}); err != nil {
			return nil, err
		}
	}
	for _, s := range meet.splits {
		if err := p.recordSplit(o, s, offsets); err != nil {
			return nil, err
		}
	}
	last := epochRecord{Epoch: o.epoch, Offsets: map[string]int64{}, TopicIDs: map[string]string{}}
	if id := p.topicIDs[p.changelogTopic()]; id != "" && len(p.plan.stages) > 0 {
		last.TopicIDs[p.changelogTopic()] = id
	}
	for k, s := range o.positions {
		if tp, ok := p.topicSplit(k); ok && s.position != nil {
			at, err := topicOffset(s.position)
			if err != nil {
				return nil, err
			}
			last.Offsets[tpName(tp)] = at
			if id := p.topicIDs[tp.Topic]; id != "" {
				last.TopicIDs[tp.Topic] = id
			}
		}
	}
	return offsets, p.write(epochKey, last)
}

func (p *Pipeline) recordSplit(o *outcome, s splitReport, offsets map[client.TopicPartition]client.Committed) error {
	was := o.positions[s.key]
	now := splitState{known: true, position: s.position, watermark: s.watermark}
	o.positions[s.key] = now
	o.rows += s.rows
	if !p.refresh && was.known && string(was.position) == string(now.position) && was.watermark == now.watermark {
		return nil
	}
	// A partition from which nothing was read yet has no offset to commit, but is
	// known from now on; later its offset takes the record's place.
	if tp, isTopic := p.topicSplit(s.key); isTopic && s.position != nil {
		at, err := topicOffset(s.position)
		if err != nil {
			return err
		}
		offsets[tp] = client.Committed{Offset: at, LeaderEpoch: -1, Metadata: offsetMetadata(o.epoch, s.watermark)}
		return nil
	}
	r := splitRecord{Epoch: o.epoch, Position: s.position}
	if s.watermark != columnar.MinTime {
		r.Watermark = &s.watermark
	}
	return p.write(splitRecordKey(s.key), r)
}

// write adds a record to the splits topic.
func (p *Pipeline) write(key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.writer.Append(p.splitsTopic(), 0, time.Now().UnixMilli(), []byte(key), value)
}

// apply makes a committed outcome the pipeline's state, and staged rows visible.
func (p *Pipeline) apply(ctx context.Context, o *outcome) error {
	p.positions, p.handles = o.positions, o.handles
	p.uncommitted.Store(0)
	p.epoch.Store(o.epoch)
	p.commits.add(1)
	p.rowsIn.add(int(o.rows))
	var errs []error // of one sink; the others deliver what has committed all the same
	for n, s := range p.sinks {
		errs = append(errs, s.commit(ctx, o.staged[n.Name]))
	}
	return errors.Join(errs...)
}

// topicSplit is the partition that a split of a topic source is.
func (p *Pipeline) topicSplit(k splitKey) (client.TopicPartition, bool) {
	tp, ok := p.topicSplits[k]
	return tp, ok
}

func tpName(tp client.TopicPartition) string { return fmt.Sprintf("%s/%d", tp.Topic, tp.Partition) }

// settle finds out what became of the epoch that was open when a generation
// failed, and brings state and sinks to the last committed one. False means that
// the pipeline has to be taken over anew.
func (p *Pipeline) settle(ctx context.Context, cause error) (bool, error) {
	o := p.doubtful
	p.doubtful = nil
	if p.landed {
		// The epoch committed and something after that failed, such as a sink: the
		// tasks have not heard of it yet.
		for _, st := range p.states {
			st.commit()
		}
		p.landed = false
	}
	if o != nil {
		committed, err := p.wasCommitted(ctx, o.epoch)
		if err != nil {
			return false, nil // takeOver settles it with the coordinator, and reloads
		}
		if committed {
			for _, st := range p.states {
				st.commit()
			}
			return true, p.apply(ctx, o)
		}
	} else if errors.As(cause, new(memberLost)) || lostGroup(cause) || errors.Is(cause, client.ErrFenced) {
		return false, nil
	} else if err := p.writer.abort(ctx); err != nil {
		p.logger.Warn("could not abort the transaction", "error", err)
		return false, nil
	}
	p.uncommitted.Store(0)
	for _, st := range p.states {
		st.abort()
	}
	return true, p.recoverSinks(ctx)
}

// wasCommitted asks the coordinator for the outcome of an epoch: Init ends what
// is open, one way or the other; the group's stable offsets then tell which.
func (p *Pipeline) wasCommitted(ctx context.Context, epoch uint64) (bool, error) {
	if err := p.writer.init(ctx); err != nil {
		return false, err
	}
	home := p.home()
	at, err := p.client.FetchOffsets(ctx, p.plan.graph.Name, true, home)
	if err != nil {
		return false, err
	}
	c, ok := at[home]
	if !ok {
		return false, nil
	}
	last, _, err := parseOffsetMetadata(c.Metadata)
	return err == nil && last >= epoch, err
}

func (p *Pipeline) recoverSinks(ctx context.Context) error {
	for n, s := range p.sinks {
		if err := s.recover(ctx, p.handles[n.Name]); err != nil {
			return err
		}
	}
	return nil
}

// uncommittedMax is the pipeline's limit on the bytes of one epoch.
func (o Options) uncommittedMax(g dsl.Options) int64 {
	if g.UncommittedMaxBytes > 0 {
		return g.UncommittedMaxBytes
	}
	return 64 << 20
}
