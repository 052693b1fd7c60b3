package group

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The records of groups of the consumer protocol, in Kafka's schemas: what the key's
// version names, the group id, and for most the member's id or the regular expression.
// All values are of version 0, which is flexible.
const (
	groupEpochKey        = 3  // ConsumerGroupMetadata
	partitionMetadataKey = 4  // ConsumerGroupPartitionMetadata, of Kafka 4.0
	memberProfileKey     = 5  // ConsumerGroupMemberMetadata
	targetEpochKey       = 6  // ConsumerGroupTargetAssignmentMetadata
	memberTargetKey      = 7  // ConsumerGroupTargetAssignmentMember
	memberStandingKey    = 8  // ConsumerGroupCurrentMemberAssignment
	regexKey             = 16 // ConsumerGroupRegularExpression

	consumerValueVersion = 0
)

// consumerKey encodes a key; of is a member id or an expression, for the kinds that
// have one.
func consumerKey(version int16, group, of string) []byte {
	b := kbin.AppendInt16(nil, version)
	b = kbin.AppendString(b, group)
	if keyNamesMore(version) {
		b = kbin.AppendString(b, of)
	}
	return b
}

func keyNamesMore(version int16) bool {
	switch version {
	case memberProfileKey, memberTargetKey, memberStandingKey, regexKey:
		return true
	}
	return false
}

// isConsumerKey reports whether keys of that version are of this file.
func isConsumerKey(version int16) bool {
	return version >= groupEpochKey && version <= memberStandingKey || version == regexKey
}

func decodeConsumerKey(key []byte) (group, of string, err error) {
	b := kbin.Reader{Src: key}
	version := b.Int16()
	group = b.String()
	if keyNamesMore(version) {
		of = b.String()
	}
	if err := b.Complete(); err != nil {
		return "", "", fmt.Errorf("key of version %d: %w", version, err)
	}
	return group, of, nil
}

// valueWriter builds a value.
func valueWriter() []byte { return kbin.AppendInt16(nil, consumerValueVersion) }

// appendTag adds a tagged field; the number of them stands before the first.
func appendTag(dst []byte, tag uint32, field []byte) []byte {
	dst = kbin.AppendUvarint(dst, tag)
	dst = kbin.AppendUvarint(dst, uint32(len(field)))
	return append(dst, field...)
}

// noTags ends a structure without tagged fields.
func noTags(dst []byte) []byte { return kbin.AppendUvarint(dst, 0) }

// epochValue is the group's epoch and, in tag 0, the hash of its topics.
func epochValue(epoch int32, hash int64) []byte {
	b := kbin.AppendInt32(valueWriter(), epoch)
	if hash == 0 {
		return noTags(b)
	}
	return appendTag(kbin.AppendUvarint(b, 1), 0, kbin.AppendInt64(nil, hash))
}

func targetEpochValue(epoch int32) []byte {
	return noTags(kbin.AppendInt32(valueWriter(), epoch))
}

func targetValue(target partitions) []byte {
	b := valueWriter()
	topics := byTopic(target)
	b = kbin.AppendCompactArrayLen(b, len(topics))
	for _, t := range topics {
		b = appendTopic(b, t)
		b = noTags(b)
	}
	return noTags(b)
}

// standingValue has the epochs in which partitions were assigned in tag 0 of each
// topic (KIP-1251).
func standingValue(s *standing) []byte {
	b := kbin.AppendInt32(valueWriter(), s.epoch)
	b = kbin.AppendInt32(b, s.previous)
	b = kbin.AppendInt8(b, int8(s.state))
	for _, p := range []partitions{s.assigned, s.revoking} {
		topics := byTopic(p)
		b = kbin.AppendCompactArrayLen(b, len(topics))
		for _, t := range topics {
			b = appendTopic(b, t)
			epochs := kbin.AppendCompactArrayLen(nil, len(t.partitions))
			for _, i := range t.partitions {
				epochs = kbin.AppendInt32(epochs, p[topicPartition{t.id, i}])
			}
			b = appendTag(kbin.AppendUvarint(b, 1), 0, epochs)
		}
	}
	return noTags(b)
}

// topicPartitions are partitions of one topic.
type topicPartitions struct {
	id         [16]byte
	partitions []int32
}

// byTopic sorts partitions into topics, in order.
func byTopic(p partitions) []topicPartitions {
	var topics []topicPartitions
	for _, tp := range p.sorted() {
		if n := len(topics); n == 0 || topics[n-1].id != tp.topic {
			topics = append(topics, topicPartitions{id: tp.topic})
		}
		t := &topics[len(topics)-1]
		t.partitions = append(t.partitions, tp.index)
	}
	return topics
}

func appendTopic(b []byte, t topicPartitions) []byte {
	b = kbin.AppendUuid(b, t.id)
	b = kbin.AppendCompactArrayLen(b, len(t.partitions))
	for _, p := range t.partitions {
		b = kbin.AppendInt32(b, p)
	}
	return b
}

// profileValue has what a member of the classic protocol says besides in tag 0.
func profileValue(p *profile) []byte {
	b := kbin.AppendCompactNullableString(valueWriter(), p.instance)
	b = kbin.AppendCompactNullableString(b, p.rack)
	b = kbin.AppendCompactString(b, p.clientID)
	b = kbin.AppendCompactString(b, p.host)
	b = appendStrings(b, p.topics)
	b = kbin.AppendCompactString(b, p.regex)
	b = kbin.AppendInt32(b, int32(p.rebalanceTimeout.Milliseconds()))
	b = kbin.AppendCompactNullableString(b, p.assignor)
	if p.classic == nil {
		return noTags(b)
	}
	c := kbin.AppendInt8(nil, 1) // the structure is there
	c = kbin.AppendInt32(c, int32(p.classic.session.Milliseconds()))
	c = kbin.AppendCompactArrayLen(c, len(p.classic.protocols))
	for _, proto := range p.classic.protocols {
		c = kbin.AppendCompactString(c, proto.Name)
		c = noTags(kbin.AppendCompactBytes(c, proto.Metadata))
	}
	return appendTag(kbin.AppendUvarint(b, 1), 0, noTags(c))
}

func regexValue(r *regex) []byte {
	b := appendStrings(valueWriter(), r.topics)
	b = kbin.AppendInt64(b, int64(r.version))
	return noTags(kbin.AppendInt64(b, r.resolvedMs))
}

func appendStrings(b []byte, s []string) []byte {
	b = kbin.AppendCompactArrayLen(b, len(s))
	for _, one := range s {
		b = kbin.AppendCompactString(b, one)
	}
	return b
}

// valueReader reads a value. Its methods give zero values after the first fault,
// which complete reports.
type valueReader struct{ kbin.Reader }

func readValue(value []byte) (*valueReader, error) {
	b := &valueReader{kbin.Reader{Src: value}}
	if v := b.Int16(); v != consumerValueVersion {
		return nil, fmt.Errorf("value of version %d, want %d", v, consumerValueVersion)
	}
	return b, nil
}

// tags calls known for each tagged field.
func (b *valueReader) tags(known func(tag uint32, field *valueReader)) {
	for n := b.Uvarint(); n > 0 && b.Ok(); n-- {
		tag, size := b.Uvarint(), b.Uvarint()
		field := &valueReader{kbin.Reader{Src: b.Span(int(size))}}
		if b.Ok() && known != nil {
			known(tag, field)
		}
	}
}

func (b *valueReader) strings() []string {
	n := b.CompactArrayLen()
	s := make([]string, 0, max(n, 0))
	for range max(n, 0) {
		s = append(s, b.CompactString())
	}
	return s
}

// partitions reads topics with their partitions and, if there are, epochs.
func (b *valueReader) partitions() partitions {
	p := partitions{}
	for range max(b.CompactArrayLen(), 0) {
		id, indexes := b.Uuid(), b.ints()
		for _, i := range indexes {
			p[topicPartition{id, i}] = 0
		}
		b.tags(func(tag uint32, field *valueReader) {
			if tag != 0 {
				return
			}
			for n, epoch := range field.ints() {
				if n < len(indexes) {
					p[topicPartition{id, indexes[n]}] = epoch
				}
			}
		})
		if !b.Ok() {
			break
		}
	}
	return p
}

func (b *valueReader) ints() []int32 {
	n := b.CompactArrayLen()
	s := make([]int32, 0, max(n, 0))
	for range max(n, 0) {
		s = append(s, b.Int32())
	}
	return s
}

func decodeEpoch(value []byte) (epoch int32, hash int64, err error) {
	b, err := readValue(value)
	if err != nil {
		return 0, 0, err
	}
	epoch = b.Int32()
	b.tags(func(tag uint32, field *valueReader) {
		if tag == 0 {
			hash = field.Int64()
		}
	})
	return epoch, hash, b.Complete()
}

func decodeTargetEpoch(value []byte) (int32, error) {
	b, err := readValue(value)
	if err != nil {
		return 0, err
	}
	epoch := b.Int32()
	b.tags(nil)
	return epoch, b.Complete()
}

func decodeTarget(value []byte) (partitions, error) {
	b, err := readValue(value)
	if err != nil {
		return nil, err
	}
	p := b.partitions()
	b.tags(nil)
	return p, b.Complete()
}

func decodeStanding(value []byte) (s standing, err error) {
	b, err := readValue(value)
	if err != nil {
		return s, err
	}
	s.epoch, s.previous, s.state = b.Int32(), b.Int32(), memberState(b.Int8())
	s.assigned, s.revoking = b.partitions(), b.partitions()
	b.tags(nil)
	return s, b.Complete()
}

func decodeProfile(value []byte) (p profile, err error) {
	b, err := readValue(value)
	if err != nil {
		return p, err
	}
	p.instance, p.rack = b.CompactNullableString(), b.CompactNullableString()
	p.clientID, p.host = b.CompactString(), b.CompactString()
	p.topics = names(b.strings())
	p.regex = text(b.CompactNullableString())
	p.rebalanceTimeout = time.Duration(b.Int32()) * time.Millisecond
	p.assignor = b.CompactNullableString()
	var inner error
	b.tags(func(tag uint32, field *valueReader) {
		if tag == 0 && field.Int8() == 1 {
			p.classic, inner = decodeClassicProfile(field)
		}
	})
	if inner != nil {
		return p, inner
	}
	return p, b.Complete()
}

func decodeClassicProfile(b *valueReader) (*classicProfile, error) {
	c := &classicProfile{session: time.Duration(b.Int32()) * time.Millisecond}
	for range max(b.CompactArrayLen(), 0) {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = b.CompactString(), b.CompactBytes()
		b.tags(nil)
		c.protocols = append(c.protocols, p)
		if !b.Ok() {
			break
		}
	}
	b.tags(nil)
	if err := b.Complete(); err != nil {
		return nil, err
	}
	if len(c.protocols) == 0 {
		return nil, fmt.Errorf("member of the classic protocol without a protocol")
	}
	return c, nil
}

func decodeRegex(value []byte) (*regex, error) {
	b, err := readValue(value)
	if err != nil {
		return nil, err
	}
	r := &regex{topics: names(b.strings()), version: uint64(b.Int64()), resolvedMs: b.Int64()}
	b.tags(nil)
	return r, b.Complete()
}
