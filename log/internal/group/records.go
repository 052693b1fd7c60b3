package group

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The records of __consumer_offsets, in Kafka's schemas, so that its tools and
// MirrorMaker read them. A key begins with its own version, which also says what it
// is a key of.
const (
	offsetKeyVersion   = 1 // 0 and 1 are offsets; 0 is read as well
	metadataKeyVersion = 2

	// Kafka 4 writes values of versions 1 and 3. Version 4 is 3 with tagged fields, of
	// which we need the topic id; every Kafka since 3.5 reads it.
	offsetValueVersion        = 4
	offsetValueExpiresVersion = 1 // for commits with a retention of their own
	metadataValueVersion      = 3

	// offsetRecordOverhead is more than an offset's key and value take besides the
	// names and the metadata string.
	offsetRecordOverhead = 100
)

func offsetRecordKey(k offsetKey) []byte {
	key := kmsg.NewOffsetCommitKey()
	key.Version, key.Group, key.Topic, key.Partition = offsetKeyVersion, k.group, k.topic, k.partition
	return key.AppendTo(nil)
}

func offsetRecordValue(o *committed) []byte {
	v := kmsg.NewOffsetCommitValue()
	v.Version = offsetValueVersion
	if o.expireMs >= 0 {
		v.Version = offsetValueExpiresVersion
	}
	v.Offset, v.LeaderEpoch, v.Metadata = o.offset, o.leaderEpoch, o.metadata
	v.CommitTimestamp, v.ExpireTimestamp, v.TopicID = o.commitMs, o.expireMs, o.topicID
	return v.AppendTo(nil)
}

// noteOffset notes an offset's record and gives the offset its place.
func (c *Core) noteOffset(k offsetKey, o *committed) {
	c.note(offsetRecordKey(k), offsetRecordValue(o))
	o.position = c.position
}

func metadataKey(group string) []byte {
	key := kmsg.NewGroupMetadataKey()
	key.Version, key.Group = metadataKeyVersion, group
	return key.AppendTo(nil)
}

// writeMetadata notes the group's present generation and members.
func (c *Core) writeMetadata(g *group) {
	v := kmsg.NewGroupMetadataValue()
	v.Version = metadataValueVersion
	v.ProtocolType, v.Generation = g.protocolType, g.generation
	if g.protocol != "" {
		v.Protocol = new(g.protocol)
	}
	if g.leader != "" {
		v.Leader = new(g.leader)
	}
	v.CurrentStateTimestamp = g.stateMs
	v.Members = []kmsg.GroupMetadataValueMember{}
	for _, m := range g.members {
		vm := kmsg.NewGroupMetadataValueMember()
		vm.MemberID, vm.InstanceID = m.id, m.instance
		vm.ClientID, vm.ClientHost = m.clientID, m.host
		vm.RebalanceTimeoutMillis = int32(m.rebalanceTimeout.Milliseconds())
		vm.SessionTimeoutMillis = int32(m.session.Milliseconds())
		vm.Subscription, vm.Assignment = m.metadata(g.protocol), m.assignment
		v.Members = append(v.Members, vm)
	}
	c.note(metadataKey(g.id), v.AppendTo(nil))
	g.written = true
}

// decodeKey reads the key of a record: an offset's, or a group's with isGroup.
// unknown is the version of a key that is neither.
func decodeKey(key []byte) (k offsetKey, isGroup bool, unknown int16, err error) {
	if len(key) < 2 {
		return k, false, 0, fmt.Errorf("key of %d bytes has no version", len(key))
	}
	switch version := int16(key[0])<<8 | int16(key[1]); version {
	case 0, offsetKeyVersion:
		var o kmsg.OffsetCommitKey
		if err := o.ReadFrom(key); err != nil {
			return k, false, 0, fmt.Errorf("key of an offset: %w", err)
		}
		return offsetKey{o.Group, o.Topic, o.Partition}, false, 0, nil
	case metadataKeyVersion:
		var m kmsg.GroupMetadataKey
		if err := m.ReadFrom(key); err != nil {
			return k, false, 0, fmt.Errorf("key of a group: %w", err)
		}
		return offsetKey{group: m.Group}, true, 0, nil
	default:
		return k, false, version, nil
	}
}

func decodeOffset(value []byte) (committed, error) {
	var v kmsg.OffsetCommitValue
	if err := v.ReadFrom(value); err != nil {
		return committed{}, fmt.Errorf("value of an offset: %w", err)
	}
	o := committed{offset: v.Offset, leaderEpoch: v.LeaderEpoch, metadata: v.Metadata,
		commitMs: v.CommitTimestamp, expireMs: -1, topicID: v.TopicID}
	if v.Version == offsetValueExpiresVersion {
		o.expireMs = v.ExpireTimestamp
	}
	if v.Version < 3 {
		o.leaderEpoch = -1
	}
	return o, nil
}

func decodeMetadata(value []byte) (kmsg.GroupMetadataValue, error) {
	var v kmsg.GroupMetadataValue
	if err := v.ReadFrom(value); err != nil {
		return v, fmt.Errorf("value of a group: %w", err)
	}
	return v, nil
}
