package meta

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrUnknownRecord means that the metadata log holds a record of a type or version
// that this program does not know. Skipping it would let this node disagree with
// the others, so the node stops.
var ErrUnknownRecord = errors.New("unknown metadata record")

// ErrMalformed means that bytes are not a metadata record.
var ErrMalformed = errors.New("malformed metadata record")

// Limits of what is decoded, checked before anything is allocated.
const (
	// maxRecordBytes bounds one record: the largest is a broker with its listeners.
	maxRecordBytes = 1 << 20
	// maxStringBytes is that of a config value, the longest string.
	maxStringBytes = 1 << 16
)

// RecordType numbers the kinds of records. Numbers are never used twice.
type RecordType uint16

// The kinds of records. See docs/metadata-log.md for their layouts.
const (
	TypeCluster         RecordType = 1
	TypeFeature         RecordType = 2
	TypeBroker          RecordType = 3
	TypeTopic           RecordType = 4
	TypeTopicRemoval    RecordType = 5
	TypePartition       RecordType = 6
	TypeConfig          RecordType = 7
	TypeProducerIDBlock RecordType = 8
	TypeClientQuota     RecordType = 9
	TypeScramCredential RecordType = 10
	TypeACL             RecordType = 11
	TypeGroupConfig     RecordType = 12
)

// Record is one change of the metadata. Records are values that nobody changes
// after they were proposed or decoded: the image shares them.
//
//	record = type uvarint | version uvarint | length uvarint | body
//	body   = fields in order | number of tags uvarint | (tag uvarint | length uvarint | bytes)*
//
// Fields are added as tags. A tag that is not known is kept and written back, so
// that a snapshot by an older program loses nothing. Everything else that changes
// is a new version, which is written only at a feature level that has it.
type Record interface {
	// Type is the record's kind.
	Type() RecordType
	encode(*encoder)
	decode(*decoder)
}

// recordVersion is the version of every kind at feature level 1.
const recordVersion = 1

// newRecord is an empty record of a type, or nil if the type is unknown.
func newRecord(t RecordType) Record {
	switch t {
	case TypeCluster:
		return new(Cluster)
	case TypeFeature:
		return new(Feature)
	case TypeBroker:
		return new(Broker)
	case TypeTopic:
		return new(TopicRecord)
	case TypeTopicRemoval:
		return new(TopicRemoval)
	case TypePartition:
		return new(Partition)
	case TypeConfig:
		return new(Config)
	case TypeProducerIDBlock:
		return new(ProducerIDBlock)
	case TypeClientQuota:
		return new(ClientQuota)
	case TypeScramCredential:
		return new(ScramCredential)
	case TypeACL:
		return new(ACL)
	case TypeGroupConfig:
		return new(GroupConfig)
	}
	return nil
}

// AppendRecord appends the encoding of r to dst.
func AppendRecord(dst []byte, r Record) []byte {
	var body encoder
	r.encode(&body)
	dst = binary.AppendUvarint(dst, uint64(r.Type()))
	dst = binary.AppendUvarint(dst, recordVersion)
	dst = binary.AppendUvarint(dst, uint64(len(body.b)))
	return append(dst, body.b...)
}

// DecodeRecord reads the first record of b and returns the rest. It keeps nothing
// of b. An error wraps ErrUnknownRecord or ErrMalformed.
func DecodeRecord(b []byte) (Record, []byte, error) {
	d := decoder{b: b}
	kind, version, length := d.uvarint(), d.uvarint(), d.uvarint()
	if d.err != nil {
		return nil, nil, d.err
	}
	if length > maxRecordBytes || length > uint64(len(d.b)) {
		return nil, nil, fmt.Errorf("%w: type %d says %d bytes, %d are left", ErrMalformed, kind, length, len(d.b))
	}
	var r Record
	if kind <= 1<<16-1 {
		r = newRecord(RecordType(kind))
	}
	if r == nil || version != recordVersion {
		return nil, nil, fmt.Errorf("%w: type %d version %d: start a newer millrace, this one is too old for the cluster's feature level",
			ErrUnknownRecord, kind, version)
	}
	body := decoder{b: d.b[:length]}
	r.decode(&body)
	if body.err == nil && len(body.b) > 0 {
		body.fail("bytes after the last field")
	}
	if body.err != nil {
		return nil, nil, fmt.Errorf("record of type %d: %w", kind, body.err)
	}
	return r, d.b[length:], nil
}

// DecodeRecords reads records up to the end of b.
func DecodeRecords(b []byte) ([]Record, error) {
	var records []Record
	for len(b) > 0 {
		r, rest, err := DecodeRecord(b)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records), err)
		}
		records, b = append(records, r), rest
	}
	return records, nil
}
