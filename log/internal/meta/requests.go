package meta

// Request is an input of the Controller: one of the request types below, and the
// id that its Reply names.
type Request struct {
	ID   uint64
	Body any
}

// CreateTopics makes topics, each for itself: one that is refused does not hold up
// the others. The answer is a []TopicResult in the same order.
type CreateTopics struct {
	Topics []NewTopic
	// ValidateOnly answers as if, and does nothing.
	ValidateOnly bool
}

// NewTopic is a topic to be made.
type NewTopic struct {
	Name string
	// Partitions is their number; -1 is the default of the cluster.
	Partitions int32
	// ReplicationFactor is the number of copies; -1 is the default of the cluster.
	ReplicationFactor int16
	// Assignments, if any, are the nodes of each partition; the two numbers above
	// are then -1.
	Assignments [][]int32
	Configs     []ConfigValue
}

// ConfigValue is a config and what it is set to. Null, no value at all, is refused.
type ConfigValue struct {
	Key, Value string
	Null       bool
}

// TopicResult is what became of one topic of a request.
type TopicResult struct {
	// Err is nil or a *Refusal.
	Err error
	// Topic is the topic as it will be after the change (nil if refused): for a
	// deletion, as it was.
	Topic *Topic
}

// TopicRef names a topic by id or, if the id is zero, by name.
type TopicRef struct {
	ID   ID
	Name string
}

// DeleteTopics deletes topics. The answer is a []TopicResult in the same order.
type DeleteTopics struct{ Topics []TopicRef }

// CreatePartitions makes topics larger. The answer is a []TopicResult in the same
// order.
type CreatePartitions struct {
	Topics       []MorePartitions
	ValidateOnly bool
}

// MorePartitions asks that a topic have Count partitions in all.
type MorePartitions struct {
	Name  string
	Count int32
	// Assignments, if any, are the nodes of each partition that is new.
	Assignments [][]int32
}

// ConfigOp is how a config changes, numbered as in IncrementalAlterConfigs.
type ConfigOp int8

// The ways to change a config. Append and Subtract are for lists.
const (
	ConfigSet      ConfigOp = 0
	ConfigDelete   ConfigOp = 1
	ConfigAppend   ConfigOp = 2
	ConfigSubtract ConfigOp = 3
)

// AlterConfigs changes the configs of topics, each for itself. The answer is a
// []TopicResult in the same order.
type AlterConfigs struct {
	Topics       []ConfigChanges
	ValidateOnly bool
}

// ConfigChanges are changes of one topic's configs, all or none.
type ConfigChanges struct {
	Topic TopicRef
	// Replace removes every config that Changes does not set.
	Replace bool
	Changes []ConfigChange
}

// ConfigChange is one change of one config.
type ConfigChange struct {
	Op         ConfigOp
	Key, Value string
}

// RegisterBroker makes a node known in this life of its process and raises the
// leader epoch of every partition that it leads, in one batch. The answer is nil;
// the broker epoch is in the image.
type RegisterBroker struct {
	Broker Broker
	// KnownEpoch is the epoch of the node's registration in the image that it has,
	// or 0. It must be the newest: so a request that was repeated, or comes late
	// from an earlier life, does not raise the epochs under the feet of this one.
	KnownEpoch int64
}

// AlterPartition changes the ISR of a partition, asked by its leader. It is a
// compare-and-set on the partition epoch. The answer is the new *Partition or a
// *Refusal.
type AlterPartition struct {
	NodeID         int32
	BrokerEpoch    int64
	Topic          ID
	Index          int32
	LeaderEpoch    int32
	PartitionEpoch int32
	ISR            []int32
}

// AllocateProducerIDs hands a block of producer ids to a broker, never to be given
// again. The answer is a ProducerIDs or a *Refusal.
type AllocateProducerIDs struct {
	NodeID      int32
	BrokerEpoch int64
}

// ProducerIDs are the ids in [First, First+Count).
type ProducerIDs struct {
	First int64
	Count int32
}

// FinalizeFeature raises the level of a feature. The answer is nil or a *Refusal.
type FinalizeFeature struct {
	Name         string
	Level        int16
	ValidateOnly bool
}

// ProposeRecords adds records as they are, if they fit the image. The answer is nil
// or a *Refusal.
type ProposeRecords struct{ Records []Record }

// Lead tells the Controller that its node leads the quorum and that Image has
// everything that was ever proposed before. Generation rises with every Lead and is
// the upper half of the tokens of what the Controller proposes under it.
type Lead struct {
	Generation uint32
	Image      *Image
}

// Resign tells the Controller that its node does not lead any more.
type Resign struct{}
