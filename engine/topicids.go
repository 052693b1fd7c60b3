package engine

import (
	"encoding/hex"
	"fmt"

	"github.com/millrace/millrace/log/client"
)

// A topic's name does not tell it from one that was deleted and has been created
// again. Offsets that were committed for the old one point somewhere into the new,
// and state holds rows that nobody has any more. So every epoch records the ids of
// the topics that its offsets and its state belong to, and nothing goes on over
// others.

// identify compares a topic's id with the one that epochs have recorded, and keeps
// it for the next epoch's record.
func (p *Pipeline) identify(topic string, id [16]byte) error {
	if id == [16]byte{} {
		return nil // the cluster is older than topic ids
	}
	now := hex.EncodeToString(id[:])
	if was := p.topicIDs[topic]; was != "" && was != now {
		return p.recreated("topic %s was deleted and created again since epoch %d of pipeline %s, which has read or written the one that is gone", topic, p.epoch.Load(), p.plan.graph.Name)
	}
	p.topicIDs[topic] = now
	return nil
}

// sameSplitsTopic refuses a splits topic that lacks an epoch: last is one that a
// committed offset or the changelog knows of. Every epoch writes its record there
// before anything of it can be seen.
func (p *Pipeline) sameSplitsTopic(last uint64) error {
	if last <= p.epoch.Load() {
		return nil
	}
	return p.recreated("topic %s does not hold epoch %d of pipeline %s, which is committed: it was deleted, and positions are lost with it", p.splitsTopic(), last, p.plan.graph.Name)
}

// recreated is the end of a pipeline whose topics are not the ones that it knows.
func (p *Pipeline) recreated(format string, args ...any) error {
	return fmt.Errorf("%w: %s; to begin anew, run the pipeline under another name, and delete group %s and the topics %s.* when nobody needs them",
		client.ErrTopicRecreated, fmt.Sprintf(format, args...), p.plan.graph.Name, p.plan.graph.Name)
}
