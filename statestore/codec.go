package statestore

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The record of a key in the changelog, which is also its entry in Pebble:
//
//	key:   version(1)=1  operator length(uvarint)  operator  space(1)  namespace(8)  user key
//	value: version(1)=1  words(8 each, little endian)  blobs(uvarint length+1, bytes; 0 = absent)
//
// The namespace is big endian with its sign bit turned, so that namespaces, like
// user keys, order as bytes. In Pebble the key has its state partition in front,
// four bytes big endian: a partition is one range, and so is a window of an
// operator in a partition. Beside its entries a partition has one record, keyed
// by the partition and a zero byte, with the position of its last checkpoint.
//
// docs/state.md describes both; testdata/golden.txt holds them.

const (
	keyVersion   = 1
	valueVersion = 1
	// positionMark stands in Pebble where entries have their key version.
	positionMark = 0
)

// OperatorSpaces is how many spaces of state an operator has for itself, from 0 on.
const OperatorSpaces = 128

// The others belong to the View itself.
const (
	spaceKV     = OperatorSpaces
	spaceTimers = OperatorSpaces + 1
	spaceLayout = OperatorSpaces + 2
)

// errRecord is wrapped when bytes from Pebble or the changelog are not ours.
var errRecord = errors.New("not a state record of this version")

func appendFamilyPrefix(dst []byte, operator string, space uint8) []byte {
	dst = append(dst, keyVersion)
	dst = binary.AppendUvarint(dst, uint64(len(operator)))
	dst = append(dst, operator...)
	return append(dst, space)
}

func appendNamespace(dst []byte, ns int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(ns)^1<<63)
}

func appendPartition(dst []byte, partition int32) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(partition))
}

// recordKey is a parsed key. user aliases the input.
type recordKey struct {
	operator []byte
	space    uint8
	ns       int64
	user     []byte
}

func parseKey(key []byte) (recordKey, error) {
	if len(key) == 0 || key[0] != keyVersion {
		return recordKey{}, fmt.Errorf("%w: key %x", errRecord, key[:min(len(key), 16)])
	}
	n, size := binary.Uvarint(key[1:])
	rest := key[1+max(size, 0):]
	if size <= 0 || len(rest) < 9 || n > uint64(len(rest)-9) {
		return recordKey{}, fmt.Errorf("%w: key %x is cut", errRecord, key[:min(len(key), 16)])
	}
	return recordKey{
		operator: rest[:n],
		space:    rest[n],
		ns:       int64(binary.BigEndian.Uint64(rest[n+1:]) ^ 1<<63),
		user:     rest[n+9:],
	}, nil
}

// appendValue encodes the value of a row.
func (t *Table) appendValue(dst []byte, row []uint64) []byte {
	if t.family.raw {
		return append(dst, t.arena.get(row[rowHeader])...)
	}
	dst = append(dst, valueVersion)
	blobs := t.blobWords(row)
	for _, w := range row[rowHeader : len(row)-len(blobs)] {
		dst = binary.LittleEndian.AppendUint64(dst, w)
	}
	for _, ref := range blobs {
		if ref == 0 {
			dst = append(dst, 0)
			continue
		}
		b := t.arena.get(ref)
		dst = binary.AppendUvarint(dst, uint64(len(b))+1)
		dst = append(dst, b...)
	}
	return dst
}

// setValue decodes a value into a row.
func (t *Table) setValue(row []uint64, value []byte) error {
	blobs := t.blobWords(row)
	words := row[rowHeader : len(row)-len(blobs)]
	if len(value) < 1+8*len(words) || value[0] != valueVersion {
		return fmt.Errorf("%w: value of %d bytes for %d words", errRecord, len(value), len(words))
	}
	value = value[1:]
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(value)
		value = value[8:]
	}
	for i := range blobs {
		n, size := binary.Uvarint(value)
		if size <= 0 || n > uint64(len(value)-size)+1 {
			return fmt.Errorf("%w: a byte string is cut", errRecord)
		}
		value = value[size:]
		blobs[i] = 0
		if n > 0 {
			blobs[i] = t.arena.add(value[:n-1])
			value = value[n-1:]
		}
	}
	if len(value) != 0 {
		return fmt.Errorf("%w: %d bytes too many", errRecord, len(value))
	}
	return nil
}
