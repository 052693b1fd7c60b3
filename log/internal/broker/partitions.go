package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
)

// find is the topic that a request names by id where its version has ids, else by
// name.
func (c *call) find(byID bool, id [16]byte, name string) (*meta.Topic, *kerr.Error) {
	if byID {
		if t := c.image().Topic(id); t != nil {
			return t, nil
		}
		return nil, kerr.UnknownTopicID
	}
	if t := c.image().TopicByName(name); t != nil {
		return t, nil
	}
	return nil, kerr.UnknownTopicOrPartition
}

// noEpoch is a leader epoch that the client does not know.
const noEpoch = -1

// led is a partition that this node leads, in the leader epoch that the client
// believes in (KIP-320) if it names one.
func (c *call) led(t *meta.Topic, index, epoch int32) (*replica.Partition, error) {
	if index < 0 || int(index) >= len(t.Partitions) {
		return nil, kerr.UnknownTopicOrPartition
	}
	p, err := c.opts.Replicas.Partition(t.ID, index)
	switch {
	case err != nil:
		return nil, err
	case epoch == noEpoch || epoch == p.LeaderEpoch():
		return p, nil
	case epoch < p.LeaderEpoch():
		return nil, kerr.FencedLeaderEpoch
	}
	return nil, kerr.UnknownLeaderEpoch
}

// leaderHint tells whether an error means that the client asked the wrong node,
// and who leads (KIP-951).
func leaderHint(t *meta.Topic, index int32, code int16) (leader, epoch int32, ok bool) {
	wrong := code == kerr.NotLeaderForPartition.Code || code == kerr.FencedLeaderEpoch.Code
	if !wrong || t == nil || int(index) >= len(t.Partitions) {
		return 0, 0, false
	}
	p := t.Partitions[index]
	return p.Leader, p.LeaderEpoch, p.Leader >= 0
}

// epochAt is the leader epoch of the record at an offset: the smallest epoch that
// ends above it.
func epochAt(p *replica.Partition, offset int64) int32 {
	low, high := int32(0), p.LeaderEpoch()
	for low < high {
		middle := low + (high-low)/2
		if _, end := p.OffsetForEpoch(middle); end > offset {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return high
}
