package meta

// Cluster is the first record of a cluster's life.
type Cluster struct {
	ID   ID
	Tags []Tag
}

// Type is TypeCluster.
func (*Cluster) Type() RecordType { return TypeCluster }

func (r *Cluster) encode(e *encoder) { e.id(r.ID); e.tags(r.Tags) }
func (r *Cluster) decode(d *decoder) { r.ID = d.id(); r.Tags = d.tags() }

// Feature is the finalized level of a feature, millrace.version above all.
type Feature struct {
	Name  string
	Level int16
	Tags  []Tag
}

// Type is TypeFeature.
func (*Feature) Type() RecordType { return TypeFeature }

func (r *Feature) encode(e *encoder) { e.string(r.Name); e.varint(int64(r.Level)); e.tags(r.Tags) }
func (r *Feature) decode(d *decoder) { r.Name, r.Level, r.Tags = d.string(), d.int16(), d.tags() }

// Broker is the registration of a node that serves partitions.
type Broker struct {
	NodeID    int32
	Directory ID
	// Incarnation is new in every life of the process.
	Incarnation ID
	// Epoch is the index of this registration in the metadata log. 0 in a proposal:
	// whoever applies it fills it in.
	Epoch int64
	// PreviousEpoch is the epoch of the life before if that ended in order, so that
	// everything it acknowledged is known to be on its disk, and else -1.
	PreviousEpoch int64
	Rack          string
	Listeners     []Listener
	Features      []FeatureRange
	// SyncPolicy is the node's default: always, interval or os.
	SyncPolicy string
	Tags       []Tag
}

// Listener is an address at which a broker is reached.
type Listener struct {
	Name     string
	Host     string
	Port     int32
	Protocol string // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
}

// FeatureRange is the levels of a feature that a broker can run at.
type FeatureRange struct {
	Name     string
	Min, Max int16
}

// Type is TypeBroker.
func (*Broker) Type() RecordType { return TypeBroker }

func (r *Broker) encode(e *encoder) {
	e.varint(int64(r.NodeID))
	e.id(r.Directory)
	e.id(r.Incarnation)
	e.varint(r.Epoch)
	e.varint(r.PreviousEpoch)
	e.string(r.Rack)
	encodeList(e, r.Listeners, func(l Listener) {
		e.string(l.Name)
		e.string(l.Host)
		e.varint(int64(l.Port))
		e.string(l.Protocol)
	})
	encodeList(e, r.Features, func(f FeatureRange) {
		e.string(f.Name)
		e.varint(int64(f.Min))
		e.varint(int64(f.Max))
	})
	e.string(r.SyncPolicy)
	e.tags(r.Tags)
}

func (r *Broker) decode(d *decoder) {
	r.NodeID = d.int32()
	r.Directory = d.id()
	r.Incarnation = d.id()
	r.Epoch = d.varint()
	r.PreviousEpoch = d.varint()
	r.Rack = d.string()
	r.Listeners = decodeList(d, 4, func() Listener {
		return Listener{Name: d.string(), Host: d.string(), Port: d.int32(), Protocol: d.string()}
	})
	r.Features = decodeList(d, 3, func() FeatureRange {
		return FeatureRange{Name: d.string(), Min: d.int16(), Max: d.int16()}
	})
	r.SyncPolicy = d.string()
	r.Tags = d.tags()
}

// TopicRecord creates a topic. Its partitions follow in the same batch.
type TopicRecord struct {
	ID       ID
	Name     string
	Internal bool // of the log itself: clients may not write to it
	Tags     []Tag
}

// Type is TypeTopic.
func (*TopicRecord) Type() RecordType { return TypeTopic }

func (r *TopicRecord) encode(e *encoder) {
	e.id(r.ID)
	e.string(r.Name)
	e.bool(r.Internal)
	e.tags(r.Tags)
}

func (r *TopicRecord) decode(d *decoder) {
	r.ID, r.Name, r.Internal, r.Tags = d.id(), d.string(), d.bool(), d.tags()
}

// TopicRemoval deletes a topic, its partitions and its configs.
type TopicRemoval struct {
	ID   ID
	Tags []Tag
}

// Type is TypeTopicRemoval.
func (*TopicRemoval) Type() RecordType { return TypeTopicRemoval }

func (r *TopicRemoval) encode(e *encoder) { e.id(r.ID); e.tags(r.Tags) }
func (r *TopicRemoval) decode(d *decoder) { r.ID = d.id(); r.Tags = d.tags() }

// Partition is the whole state of a partition; a later one replaces it.
type Partition struct {
	Topic ID
	Index int32
	// Replicas are in order of preference: the first is the preferred leader.
	Replicas []Replica
	// ISR are the nodes that have everything that is committed (Kafka's in-sync
	// replicas), rising.
	ISR []int32
	// ELR are the nodes that left the ISR while it was at its minimum and so still
	// have everything committed, unless they crash (KIP-966), rising.
	ELR []int32
	// LastKnownLeader is who led before the ISR and ELR were empty, or -1.
	LastKnownLeader int32
	// Leader is a node of the ISR, or -1.
	Leader int32
	// LeaderEpoch rises whenever a replica becomes the writer, so that (LeaderEpoch,
	// offset) never names two records.
	LeaderEpoch int32
	// Epoch rises with every change of this partition. It is what a change is
	// compared against.
	Epoch int32
	Tags  []Tag
}

// Replica is a copy of a partition in one data directory.
type Replica struct {
	NodeID    int32
	Directory ID
}

// Type is TypePartition.
func (*Partition) Type() RecordType { return TypePartition }

func (r *Partition) encode(e *encoder) {
	e.id(r.Topic)
	e.varint(int64(r.Index))
	encodeList(e, r.Replicas, func(x Replica) { e.varint(int64(x.NodeID)); e.id(x.Directory) })
	e.int32s(r.ISR)
	e.int32s(r.ELR)
	e.varint(int64(r.LastKnownLeader))
	e.varint(int64(r.Leader))
	e.varint(int64(r.LeaderEpoch))
	e.varint(int64(r.Epoch))
	e.tags(r.Tags)
}

func (r *Partition) decode(d *decoder) {
	r.Topic = d.id()
	r.Index = int32(d.ranged(0, maxPartitionIndex))
	r.Replicas = decodeList(d, 17, func() Replica { return Replica{NodeID: d.int32(), Directory: d.id()} })
	r.ISR = d.int32s()
	r.ELR = d.int32s()
	r.LastKnownLeader = d.int32()
	r.Leader = d.int32()
	r.LeaderEpoch = d.int32()
	r.Epoch = d.int32()
	r.Tags = d.tags()
}

// maxPartitionIndex bounds the partitions of one topic.
const maxPartitionIndex = 1<<20 - 1

// ResourceType is what a config belongs to, numbered as in Kafka's protocol.
type ResourceType int8

// The resources that have configs.
const (
	ResourceTopic  ResourceType = 2
	ResourceBroker ResourceType = 4
)

// Config sets or removes one config of a topic or broker.
type Config struct {
	Resource ResourceType
	Topic    ID    // of a ResourceTopic
	NodeID   int32 // of a ResourceBroker; -1 is the default of all
	Key      string
	Value    string
	Remove   bool // back to the default; Value is empty
	Tags     []Tag
}

// Type is TypeConfig.
func (*Config) Type() RecordType { return TypeConfig }

func (r *Config) encode(e *encoder) {
	e.varint(int64(r.Resource))
	e.id(r.Topic)
	e.varint(int64(r.NodeID))
	e.string(r.Key)
	e.string(r.Value)
	e.bool(r.Remove)
	e.tags(r.Tags)
}

func (r *Config) decode(d *decoder) {
	r.Resource = ResourceType(d.ranged(0, 127))
	r.Topic = d.id()
	r.NodeID = d.int32()
	r.Key = d.string()
	r.Value = d.string()
	r.Remove = d.bool()
	r.Tags = d.tags()
}

// ProducerIDBlock gives the producer ids in [Next-count, Next) to a broker; the
// record keeps only where the next block begins.
type ProducerIDBlock struct {
	Next        int64
	NodeID      int32
	BrokerEpoch int64
	Tags        []Tag
}

// Type is TypeProducerIDBlock.
func (*ProducerIDBlock) Type() RecordType { return TypeProducerIDBlock }

func (r *ProducerIDBlock) encode(e *encoder) {
	e.varint(r.Next)
	e.varint(int64(r.NodeID))
	e.varint(r.BrokerEpoch)
	e.tags(r.Tags)
}

func (r *ProducerIDBlock) decode(d *decoder) {
	r.Next, r.NodeID, r.BrokerEpoch, r.Tags = d.varint(), d.int32(), d.varint(), d.tags()
}
