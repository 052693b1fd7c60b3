package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/record"
)

// maxTopicStats bounds the topics that are counted by name. What a dashboard cannot
// show is not worth the memory, and clients make topics.
const maxTopicStats = 1000

// topicTable counts records and bytes by topic. The zero value is ready; it may be
// used concurrently.
//
//  1. At most maxTopicStats topics are counted by name, those that were used first;
//     the others together.
//  2. A topic's counters go when the topic is gone, at the next read, and make room.
type topicTable struct {
	byID  sync.Map // meta.ID -> *topicStats
	other topicStats

	mu    sync.Mutex
	count int // of byID; guarded by mu
}

type topicStats struct {
	name                                                   string
	bytesProduced, recordsProduced, bytesRead, recordsRead atomic.Int64
}

// of is the counters of a topic.
func (t *topicTable) of(topic *meta.Topic) *topicStats {
	if s, ok := t.byID.Load(topic.ID); ok {
		return s.(*topicStats)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.byID.Load(topic.ID); ok {
		return s.(*topicStats)
	}
	if t.count >= maxTopicStats {
		return &t.other
	}
	s := &topicStats{name: topic.Name}
	t.byID.Store(topic.ID, s)
	t.count++
	return s
}

// TopicStats is what was written to and read from a topic.
type TopicStats struct {
	// Name is "" for all topics together that are not counted by name.
	Name                                                   string
	BytesProduced, RecordsProduced, BytesRead, RecordsRead int64
}

// read is what was counted of the topics of im, by name, and forgets the others.
func (t *topicTable) read(im *meta.Image) []TopicStats {
	var all []TopicStats
	for id, v := range t.byID.Range {
		if im.Topic(id.(meta.ID)) != nil {
			all = append(all, v.(*topicStats).read())
			continue
		}
		t.mu.Lock()
		t.byID.Delete(id)
		t.count--
		t.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b TopicStats) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if other := t.other.read(); other != (TopicStats{}) {
		all = append(all, other)
	}
	return all
}

func (s *topicStats) read() TopicStats {
	return TopicStats{s.name, s.bytesProduced.Load(), s.recordsProduced.Load(), s.bytesRead.Load(), s.recordsRead.Load()}
}

// countProduced counts a batch that was appended.
func (c *call) countProduced(t *meta.Topic, h record.Header, bytes int) {
	c.produced += int64(bytes)
	s := c.stats.topics.of(t)
	s.bytesProduced.Add(int64(bytes))
	s.recordsProduced.Add(int64(h.Count))
}

// countFetched counts batches that are sent, as they are stored: readers of committed
// data drop some of the records.
func (c *call) countFetched(t *meta.Topic, batches []byte) {
	if len(batches) == 0 {
		return
	}
	c.fetched += int64(len(batches))
	s := c.stats.topics.of(t)
	s.bytesRead.Add(int64(len(batches)))
	var records int64
	for len(batches) > 0 {
		batch, rest, err := record.Split(batches)
		if err != nil {
			break
		}
		if h, err := record.ParseHeader(batch); err == nil {
			records += int64(h.Count)
		}
		batches = rest
	}
	s.recordsRead.Add(records)
}
