package meta

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Names of the log's own topics. They exist from the first start, with this many
// partitions for ever: the coordinator of a group or a transactional id is a hash
// modulo it.
const (
	OffsetsTopic       = "__consumer_offsets"
	TransactionsTopic  = "__transaction_state"
	InternalPartitions = 16
)

// maxTopicName is Kafka's limit, which file systems once made.
const maxTopicName = 249

// maxReplicas bounds the copies of a partition.
const maxReplicas = 1 << 10

func (c *Controller) createTopics(req CreateTopics) (any, []Record) {
	return each(c, req.ValidateOnly, req.Topics, func(t NewTopic) (ID, []Record, error) {
		return c.createTopic(t, false)
	})
}

func (c *Controller) createTopic(t NewTopic, internal bool) (ID, []Record, error) {
	if err := checkTopicName(t.Name); err != nil {
		return ID{}, nil, err
	}
	if old := c.image.TopicByName(t.Name); old != nil {
		return ID{}, nil, refuse(kerr.TopicAlreadyExists, "topic %q exists, with id %s", t.Name, old.ID)
	}
	if key, ok := alikeKey(t.Name); ok {
		if id, taken := c.image.alike.get(key); taken {
			return ID{}, nil, refuse(kerr.InvalidTopicException, "topic %q is too much like %q: '.' and '_' count as the same", t.Name, c.image.Topic(id).Name)
		}
	}
	if err := checkNewConfigs(t); err != nil {
		return ID{}, nil, err
	}
	assignments, err := c.assignmentsOf(t)
	if err != nil {
		return ID{}, nil, err
	}
	id := NewID(c.opts.Source)
	records := []Record{&TopicRecord{ID: id, Name: t.Name, Internal: internal}}
	for _, v := range t.Configs {
		records = append(records, &Config{Resource: ResourceTopic, Topic: id, NodeID: -1, Key: v.Key, Value: v.Value})
	}
	for i, nodes := range assignments {
		records = append(records, c.newPartition(id, int32(i), nodes))
	}
	return id, records, nil
}

// checkNewConfigs refuses configs that a new topic cannot have.
func checkNewConfigs(t NewTopic) error {
	seen := map[string]bool{}
	for _, v := range t.Configs {
		switch {
		case seen[v.Key]:
			return refuse(kerr.InvalidConfig, "config %s of topic %q is given twice", v.Key, t.Name)
		case v.Null:
			return refuse(kerr.InvalidConfig, "config %s of topic %q cannot be null", v.Key, t.Name)
		}
		seen[v.Key] = true
		if err := CheckTopicConfig(v.Key, v.Value); err != nil {
			return err
		}
	}
	return nil
}

// checkTopicName keeps Kafka's rules.
func checkTopicName(name string) error {
	switch {
	case name == "":
		return refuse(kerr.InvalidTopicException, "a topic needs a name")
	case name == "." || name == "..":
		return refuse(kerr.InvalidTopicException, "a topic cannot be named %q", name)
	case len(name) > maxTopicName:
		return refuse(kerr.InvalidTopicException, "a topic name has at most %d characters, this one %d", maxTopicName, len(name))
	}
	for _, r := range name {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
		if !ok {
			return refuse(kerr.InvalidTopicException, "topic %q: %q is not one of a-z, A-Z, 0-9, '.', '_' and '-'", name, r)
		}
	}
	return nil
}

// alikeKey is what names have in common that Kafka takes for too much alike, since its
// metrics write both '.' and '_' as '_'. A name that has neither is like no other.
func alikeKey(name string) (string, bool) {
	return strings.ReplaceAll(name, ".", "_"), strings.ContainsAny(name, "._")
}

// assignmentsOf are the nodes of each partition of a new topic.
func (c *Controller) assignmentsOf(t NewTopic) ([][]int32, error) {
	if len(t.Assignments) > 0 {
		if t.Partitions != -1 || t.ReplicationFactor != -1 {
			return nil, refuse(kerr.InvalidRequest, "topic %q: give assignments, or numbers of partitions and replicas, not both", t.Name)
		}
		return t.Assignments, c.checkAssignments(t.Name, t.Assignments)
	}
	partitions, factor := t.Partitions, int(t.ReplicationFactor)
	if partitions == -1 {
		partitions = c.opts.DefaultPartitions
	}
	if factor == -1 {
		factor = 1
	}
	switch {
	case factor < 1:
		return nil, refuse(kerr.InvalidReplicationFactor, "topic %q: a topic has at least 1 replica, not %d", t.Name, factor)
	case partitions < 1:
		return nil, refuse(kerr.InvalidPartitions, "topic %q: a topic has at least 1 partition, not %d", t.Name, partitions)
	case factor > c.image.brokers.len():
		return nil, refuse(kerr.InvalidReplicationFactor, "topic %q: replication factor %d, and there are %d nodes", t.Name, factor, c.image.brokers.len())
	}
	if err := c.checkPartitionCount(t.Name, int(partitions)); err != nil {
		return nil, err
	}
	return c.place(int(partitions), factor), nil
}

// checkPartitionCount refuses what would go over the limit of the cluster.
func (c *Controller) checkPartitionCount(name string, more int) error {
	if have := c.image.PartitionCount(); have+more > c.opts.MaxPartitions {
		return refuse(kerr.PolicyViolation, "topic %q: %d partitions more than the %d there are would pass the limit of %d",
			name, more, have, c.opts.MaxPartitions)
	}
	return nil
}

// checkAssignments refuses assignments that are uneven, empty or name a node twice
// or one that is not registered.
func (c *Controller) checkAssignments(name string, assignments [][]int32) error {
	if err := c.checkPartitionCount(name, len(assignments)); err != nil {
		return err
	}
	for i, nodes := range assignments {
		if len(nodes) == 0 || len(nodes) > maxReplicas || len(nodes) != len(assignments[0]) {
			return refuse(kerr.InvalidReplicaAssignment, "topic %q partition %d: %d replicas, as many as all others and at least 1 are needed", name, i, len(nodes))
		}
		for j, n := range nodes {
			if c.image.Broker(n) == nil || slices.Contains(nodes[:j], n) {
				return refuse(kerr.InvalidReplicaAssignment, "topic %q partition %d: node %d is unknown or given twice", name, i, n)
			}
		}
	}
	return nil
}

// place spreads partitions over the nodes from a random start, so that each node
// gets about as many leaders. Racks are not looked at.
func (c *Controller) place(partitions, factor int) [][]int32 {
	var nodes []int32
	for b := range c.image.Brokers() {
		nodes = append(nodes, b.NodeID)
	}
	start := c.opts.Source.IntN(len(nodes))
	assignments := make([][]int32, partitions)
	for p := range assignments {
		for r := range factor {
			assignments[p] = append(assignments[p], nodes[(start+p+r)%len(nodes)])
		}
	}
	return assignments
}

// newPartition is a partition that starts with all its replicas in sync and the
// first as leader.
func (c *Controller) newPartition(topic ID, index int32, nodes []int32) *Partition {
	p := &Partition{Topic: topic, Index: index, ISR: slices.Sorted(slices.Values(nodes)),
		Leader: nodes[0], LastKnownLeader: -1}
	for _, n := range nodes {
		p.Replicas = append(p.Replicas, Replica{NodeID: n, Directory: c.image.Broker(n).Directory})
	}
	return p
}

// find is the topic that a reference names.
func (c *Controller) find(ref TopicRef) (*Topic, error) {
	if !ref.ID.IsZero() {
		if t := c.image.Topic(ref.ID); t != nil {
			return t, nil
		}
		return nil, refuse(kerr.UnknownTopicID, "no topic has the id %s", ref.ID)
	}
	if t := c.image.TopicByName(ref.Name); t != nil {
		return t, nil
	}
	return nil, refuse(kerr.UnknownTopicOrPartition, "no topic is named %q", ref.Name)
}

func (c *Controller) deleteTopics(req DeleteTopics) (any, []Record) {
	return each(c, false, req.Topics, func(ref TopicRef) (ID, []Record, error) {
		t, err := c.find(ref)
		if err != nil {
			return ID{}, nil, err
		}
		if t.Internal {
			return ID{}, nil, refuse(kerr.InvalidRequest, "topic %q is the log's own and cannot be deleted", t.Name)
		}
		return t.ID, []Record{&TopicRemoval{ID: t.ID}}, nil
	})
}

func (c *Controller) createPartitions(req CreatePartitions) (any, []Record) {
	return each(c, req.ValidateOnly, req.Topics, func(more MorePartitions) (ID, []Record, error) {
		t, err := c.find(TopicRef{Name: more.Name})
		if err != nil {
			return ID{}, nil, err
		}
		assignments, err := c.moreAssignments(t, more)
		if err != nil {
			return ID{}, nil, err
		}
		var records []Record
		for i, nodes := range assignments {
			records = append(records, c.newPartition(t.ID, int32(len(t.Partitions)+i), nodes))
		}
		return t.ID, records, nil
	})
}

func (c *Controller) moreAssignments(t *Topic, more MorePartitions) ([][]int32, error) {
	have := len(t.Partitions)
	add := int(more.Count) - have
	switch {
	case t.Internal:
		return nil, refuse(kerr.InvalidPartitions, "topic %q is the log's own: its number of partitions is fixed", t.Name)
	case add <= 0:
		return nil, refuse(kerr.InvalidPartitions, "topic %q has %d partitions: it can only grow, not become %d", t.Name, have, more.Count)
	case more.Assignments != nil && len(more.Assignments) != add:
		return nil, refuse(kerr.InvalidReplicaAssignment, "topic %q: %d assignments for %d new partitions", t.Name, len(more.Assignments), add)
	case more.Assignments != nil:
		return more.Assignments, c.checkAssignments(t.Name, more.Assignments)
	}
	if err := c.checkPartitionCount(t.Name, add); err != nil {
		return nil, err
	}
	factor := min(len(t.Partitions[0].Replicas), c.image.brokers.len())
	return c.place(add, factor), nil
}
