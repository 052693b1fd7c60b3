package replica

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/twmb/franz-go/pkg/kerr"
)

// openers is how many partitions are opened at once: recovery reads, and a disk
// answers several readers faster than one.
const openers = 8

// follow brings the partitions to each new image.
func (m *Manager) follow(changed <-chan struct{}) {
	for {
		// An image may have come before this loop.
		m.reconcile(m.o.Meta.Image())
		select {
		case <-changed:
		case <-m.stop:
			return
		}
	}
}

// tidy removes what the disk holds of deleted topics, and moves to quarantine what
// nobody knows. It runs before anything is open.
func (m *Manager) tidy(im *meta.Image) error {
	held, err := m.o.Disk.Partitions()
	if err != nil {
		return err
	}
	for _, tp := range held {
		id := meta.ID(tp.TopicID)
		switch {
		case im.Partition(id, tp.Partition) != nil:
		case im.Removed(id):
			m.o.Logger.Info("remove what is left of a deleted topic", "topic", id.String(), "partition", tp.Partition)
			err = m.o.Disk.DeleteLog(tp.TopicID, tp.Partition)
		default:
			err = m.o.Disk.QuarantineLog(tp.TopicID, tp.Partition, "the metadata knows no such partition, nor that it was deleted")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reconcile makes what is open true to an image. Topics that are as they were at
// the last look, which is nearly all of them, cost a comparison.
func (m *Manager) reconcile(im *meta.Image) {
	if im.Index() <= m.applied { // only this goroutine writes applied
		return
	}
	for id, t := range m.open {
		if im.Topic(id) == nil {
			m.remove(id, t)
		}
	}
	m.lead(m.behind(im))
	m.mu.Lock()
	m.applied = im.Index()
	close(m.moved)
	m.moved = make(chan struct{})
	m.mu.Unlock()
}

// remove closes a deleted topic and deletes its directories. What cannot be deleted
// now is at the next start.
func (m *Manager) remove(id meta.ID, t *topic) {
	m.mu.Lock()
	delete(m.open, id)
	m.mu.Unlock()
	for index, p := range t.partitions {
		p.resign(refuse(kerr.UnknownTopicID, "topic %q was deleted", t.image.Name))
		if err := m.o.Disk.DeleteLog(id, index); err != nil {
			m.o.Logger.Error("cannot delete a partition; the next start tries again", "topic", t.image.Name, "partition", index, "error", err)
		}
	}
	m.o.Logger.Info("topic deleted", "topic", t.image.Name, "id", id.String())
}

// change is a partition of a topic that an image shows in another state.
type change struct {
	topic *meta.Topic
	state *meta.Partition
	open  *Partition // nil if it is not
}

// behind are the partitions led here that are not as the image has them.
func (m *Manager) behind(im *meta.Image) []change {
	var changes []change
	for t := range im.Topics() {
		have := m.open[t.ID]
		if have != nil && have.image == t {
			continue
		}
		if have == nil {
			have = &topic{partitions: map[int32]*Partition{}, failed: map[int32]error{}}
		}
		for _, p := range t.Partitions {
			if p.Leader == m.o.NodeID {
				changes = append(changes, change{t, p, have.partitions[p.Index]})
			}
		}
		have.setConfig(t)
		m.mu.Lock()
		have.image = t
		m.open[t.ID] = have
		m.mu.Unlock()
	}
	return changes
}

// setConfig tells logs that are open of a changed configuration.
func (t *topic) setConfig(image *meta.Topic) {
	for _, p := range t.partitions {
		p.log.SetConfig(logConfig(image))
	}
}

// lead opens partitions, or brings them to another epoch or configuration, several
// at once.
func (m *Manager) lead(changes []change) {
	queue := make(chan change)
	var wg sync.WaitGroup
	for range min(openers, len(changes)) {
		wg.Go(func() {
			for c := range queue {
				m.leadOne(c)
			}
		})
	}
	for _, c := range changes {
		queue <- c
	}
	close(queue)
	wg.Wait()
}

func (m *Manager) leadOne(c change) {
	p, err := c.open, error(nil)
	if p == nil {
		var log *storage.Log
		if log, err = m.o.Disk.OpenLog(c.topic.ID, c.state.Index, logConfig(c.topic)); err == nil {
			p = newPartition(c.topic, c.state.Index, m.o.NodeID, log)
		}
	}
	if err == nil {
		err = p.lead(context.Background(), c.topic, c.state)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.open[c.topic.ID]
	if err != nil {
		if p != nil {
			p.resign(err)
			err = errors.Join(err, p.log.Close())
		}
		delete(t.partitions, c.state.Index)
		t.failed[c.state.Index] = err
		m.o.Logger.Error("partition is out of service", "topic", c.topic.Name, "partition", c.state.Index, "error", err)
		return
	}
	delete(t.failed, c.state.Index)
	t.partitions[c.state.Index] = p
}

// logConfig is what a topic's configs say to its logs.
func logConfig(t *meta.Topic) storage.Config {
	ms := func(key string) time.Duration {
		// Above 292 years a duration overflows; that is no limit.
		return time.Duration(min(t.Number(key), int64(1<<63-1)/int64(time.Millisecond))) * time.Millisecond
	}
	c := storage.Config{SegmentBytes: t.Number("segment.bytes"), SegmentAge: ms("segment.ms"),
		MaxBatchBytes: int(t.Number("max.message.bytes")), AppendTime: t.LogAppendTime()}
	if t.Cleans("compact") {
		c.Compact = true
		// 0 is the default in storage; a limit of 0 is as little as it can be.
		c.DirtyRatio = max(t.Ratio("min.cleanable.dirty.ratio"), 1e-9)
		c.DeleteRetention = max(ms("delete.retention.ms"), 1)
		c.MinCompactionLag, c.MaxCompactionLag = ms("min.compaction.lag.ms"), ms("max.compaction.lag.ms")
		c.SegmentAge = min(c.SegmentAge, c.MaxCompactionLag) // the last segment is not compacted
	}
	if t.Cleans("delete") {
		// -1 is no limit in Kafka, 0 in storage; a limit of 0 keeps as little as it can.
		if v := t.Number("retention.bytes"); v >= 0 {
			c.RetentionBytes = max(v, 1)
		}
		if v := ms("retention.ms"); v >= 0 {
			c.RetentionAge = max(v, 1)
		}
	}
	return c
}

// retain removes segments that no topic wants any more, now and then.
func (m *Manager) retain() {
	ticker := time.NewTicker(m.o.RetentionInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			for _, p := range m.all() {
				err := p.log.Retain(now, p.HighWatermark())
				if err != nil && !errors.Is(err, storage.ErrClosed) { // deleted meanwhile
					m.o.Logger.Warn("retention failed", "topic", p.name, "partition", p.index, "error", err)
				}
			}
		case <-m.stop:
			return
		}
	}
}

// all are the partitions that are open now.
func (m *Manager) all() []*Partition {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var ps []*Partition
	for _, t := range m.open {
		for _, p := range t.partitions {
			ps = append(ps, p)
		}
	}
	return ps
}
