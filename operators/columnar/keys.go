package columnar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
)

// The encoding of a key is, for each of its columns in turn:
//
//	null        00
//	bool        01, then 00 or 01
//	int64       01, then 8 bytes big endian with the sign bit turned
//	timestamp   as int64, in microseconds
//	float64     01, then 8 bytes big endian: the sign bit turned if it is 0, all bits if it is 1
//	others      01, then the bytes with every 00 written as 00 FF, then 00 01
//
// So the bytes of two keys of equal types order as their values do, column by
// column, nulls first; a key is never the beginning of another; and equal values
// have equal bytes: -0 is written as 0, every NaN as one NaN, which orders above
// +Inf.
//
// Keys, their hashes and their partitions are stored: in the changelog, in state
// directories, in the names of what a worker owns. None of it can ever change.
const (
	keyNull  = 0x00
	keyValue = 0x01

	escape     = 0x00
	escapedNul = 0xff
	endOfBytes = 0x01
)

// keySlack is room behind Keys.Data, so that readers may load 16 bytes from any
// key's start.
const keySlack = 16

// KeyEncoder encodes the keys of batches and keeps its scratch memory. It is not
// for concurrent use. The zero value is ready.
type KeyEncoder struct {
	at []int32 // where each row's next column goes
}

// EncodeKeys encodes the key of every row of b.Sel, made of the columns cols, into
// into, whose memory is reused. Rows outside Sel get an empty key, and an
// undefined hash and partition.
func EncodeKeys(b *Batch, cols []int, statePartitions int32, into *Keys) {
	var e KeyEncoder
	e.Encode(b, cols, statePartitions, into)
}

// Encode is EncodeKeys without allocating.
func (e *KeyEncoder) Encode(b *Batch, cols []int, statePartitions int32, into *Keys) {
	e.measure(b, cols, into)
	for _, c := range cols {
		e.write(b, b.Cols[c], into.Data)
	}
	into.Hash = resize(into.Hash, b.Rows)
	into.Partition = resize(into.Partition, b.Rows)
	if b.Sel == nil {
		for i := range b.Rows {
			into.hash(int32(i), statePartitions)
		}
		return
	}
	for _, i := range b.Sel {
		into.hash(i, statePartitions)
	}
}

func (k *Keys) hash(i int32, statePartitions int32) {
	h := xxh3.Hash(k.Data[k.Off[i]:k.Off[i+1]])
	k.Hash[i] = h
	k.Partition[i] = PartitionOf(h, statePartitions)
}

// HashKey is the hash of an encoded key: xxh3, 64 bits, seed 0.
func HashKey(key []byte) uint64 { return xxh3.Hash(key) }

// PartitionOf is the state partition of a key's hash: the high half of the hash
// scaled to the number of partitions.
func PartitionOf(hash uint64, statePartitions int32) int32 {
	return int32((hash >> 32) * uint64(statePartitions) >> 32)
}

// measure sizes every key, sets Off and makes room in Data.
func (e *KeyEncoder) measure(b *Batch, cols []int, into *Keys) {
	e.at = resize(e.at, b.Rows)
	sizes := e.at
	clear(sizes)
	for _, c := range cols {
		addSizes(b.Cols[c], b.Sel, sizes)
	}
	into.Off = resize(into.Off, b.Rows+1)
	total := int32(0)
	if b.Sel == nil {
		for i, n := range sizes {
			into.Off[i] = total
			sizes[i] = total
			total += n
		}
	} else {
		next := 0
		for _, i := range b.Sel {
			for ; next <= int(i); next++ {
				into.Off[next] = total
			}
			n := sizes[i]
			sizes[i] = total
			total += n
		}
		for ; next < b.Rows; next++ {
			into.Off[next] = total
		}
	}
	into.Off[b.Rows] = total
	if cap(into.Data) < int(total)+keySlack {
		into.Data = make([]byte, int(total), int(total)+int(total)/4+keySlack)
	}
	into.Data = into.Data[:total]
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// addSizes adds what a column takes in the keys of the rows of sel.
func addSizes(col arrow.Array, sel []int32, sizes []int32) {
	width := int32(0)
	switch a := col.(type) {
	case *array.Boolean:
		width = 2
	case *array.Int64, *array.Timestamp, *array.Float64:
		width = 9
	case *array.String:
		addBytesSizes(col, a.ValueOffsets(), stringData(a.Data()), sel, sizes)
		return
	case *array.Binary:
		addBytesSizes(col, a.ValueOffsets(), stringData(a.Data()), sel, sizes)
		return
	default:
		panic(fmt.Sprintf("columnar: no key of %s", col.DataType()))
	}
	nulls := col.NullN() > 0
	if sel == nil && !nulls {
		for i := range sizes {
			sizes[i] += width
		}
		return
	}
	each(sel, len(sizes), func(i int32) {
		if nulls && col.IsNull(int(i)) {
			sizes[i]++
		} else {
			sizes[i] += width
		}
	})
}

func addBytesSizes(col arrow.Array, off []int32, data []byte, sel []int32, sizes []int32) {
	nulls := col.NullN() > 0
	escapes := bytes.IndexByte(span(off, data), escape) >= 0
	each(sel, len(sizes), func(i int32) {
		if nulls && col.IsNull(int(i)) {
			sizes[i]++
			return
		}
		n := off[i+1] - off[i] + 3
		if escapes {
			n += int32(bytes.Count(data[off[i]:off[i+1]], []byte{escape}))
		}
		sizes[i] += n
	})
}

// span is the part of data that the offsets cover.
func span(off []int32, data []byte) []byte {
	if len(off) < 2 {
		return nil
	}
	return data[off[0]:off[len(off)-1]]
}

func stringData(d arrow.ArrayData) []byte {
	if buf := d.Buffers()[2]; buf != nil {
		return buf.Bytes()
	}
	return nil
}

// each calls fn for the rows of sel, or for all n.
func each(sel []int32, n int, fn func(i int32)) {
	if sel == nil {
		for i := range int32(n) {
			fn(i)
		}
		return
	}
	for _, i := range sel {
		fn(i)
	}
}

// write appends a column to the key of each row.
func (e *KeyEncoder) write(b *Batch, col arrow.Array, data []byte) {
	switch a := col.(type) {
	case *array.Boolean:
		e.writeFixed(b.Sel, col, data, 1, func(i int32) uint64 {
			if a.Value(int(i)) {
				return 1 << 56
			}
			return 0
		})
	case *array.Int64:
		vals := a.Int64Values()
		e.writeFixed(b.Sel, col, data, 8, func(i int32) uint64 { return OrderedInt64(vals[i]) })
	case *array.Timestamp:
		vals := a.TimestampValues()
		e.writeFixed(b.Sel, col, data, 8, func(i int32) uint64 { return OrderedInt64(int64(vals[i])) })
	case *array.Float64:
		vals := a.Float64Values()
		e.writeFixed(b.Sel, col, data, 8, func(i int32) uint64 { return OrderedFloat64(vals[i]) })
	case *array.String:
		e.writeBytes(b.Sel, col, a.ValueOffsets(), stringData(a.Data()), data)
	case *array.Binary:
		e.writeBytes(b.Sel, col, a.ValueOffsets(), stringData(a.Data()), data)
	}
}

// writeFixed writes the high width bytes of what value gives.
func (e *KeyEncoder) writeFixed(sel []int32, col arrow.Array, data []byte, width int32, value func(i int32) uint64) {
	nulls := col.NullN() > 0
	whole := data[:cap(data)]
	each(sel, len(e.at), func(i int32) {
		at := e.at[i]
		if nulls && col.IsNull(int(i)) {
			data[at] = keyNull
			e.at[i] = at + 1
			return
		}
		data[at] = keyValue
		if width == 8 {
			binary.BigEndian.PutUint64(whole[at+1:], value(i))
		} else {
			data[at+1] = byte(value(i) >> 56)
		}
		e.at[i] = at + 1 + width
	})
}

func (e *KeyEncoder) writeBytes(sel []int32, col arrow.Array, off []int32, src, data []byte) {
	nulls := col.NullN() > 0
	escapes := bytes.IndexByte(span(off, src), escape) >= 0
	each(sel, len(e.at), func(i int32) {
		at := e.at[i]
		if nulls && col.IsNull(int(i)) {
			data[at] = keyNull
			e.at[i] = at + 1
			return
		}
		data[at] = keyValue
		at++
		v := src[off[i]:off[i+1]]
		if escapes {
			at = putEscaped(data, at, v)
		} else {
			at += int32(copy(data[at:], v))
		}
		data[at], data[at+1] = escape, endOfBytes
		e.at[i] = at + 2
	})
}

func putEscaped(data []byte, at int32, v []byte) int32 {
	for _, c := range v {
		data[at] = c
		at++
		if c == escape {
			data[at] = escapedNul
			at++
		}
	}
	return at
}

// ErrKey is wrapped when bytes are not a key of the given types.
var ErrKey = errors.New("not an encoded key of these columns")

// DecodeKey appends the values of an encoded key to one Buffer per column; the
// Buffers' types say what the key is made of. After an error the Buffers are not
// equally long.
func DecodeKey(key []byte, into []*Buffer) error {
	for _, b := range into {
		n, err := decodeColumn(key, b)
		if err != nil {
			return err
		}
		key = key[n:]
	}
	if len(key) != 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrKey, len(key))
	}
	return nil
}

// decodeColumn appends the first value of key and returns its size.
func decodeColumn(key []byte, b *Buffer) (int, error) {
	if len(key) == 0 {
		return 0, fmt.Errorf("%w: it is cut", ErrKey)
	}
	if key[0] == keyNull {
		b.AppendNull()
		return 1, nil
	}
	if key[0] != keyValue {
		return 0, fmt.Errorf("%w: tag %#x", ErrKey, key[0])
	}
	switch b.Type.Kind {
	case Bool:
		if len(key) < 2 || key[1] > 1 {
			return 0, fmt.Errorf("%w: no bool", ErrKey)
		}
		b.AppendBool(key[1] == 1)
		return 2, nil
	case Int64, Timestamp, Float64:
		if len(key) < 9 {
			return 0, fmt.Errorf("%w: it is cut", ErrKey)
		}
		u := binary.BigEndian.Uint64(key[1:])
		if b.Type.Kind == Float64 {
			b.AppendFloat64(FromOrderedFloat64(u))
		} else {
			b.AppendInt64(FromOrderedInt64(u))
		}
		return 9, nil
	}
	n, err := decodeBytes(key[1:], b)
	return n + 1, err
}

func decodeBytes(key []byte, b *Buffer) (int, error) {
	start := len(b.Data)
	for at := 0; ; {
		n := bytes.IndexByte(key[at:], escape)
		if n < 0 || at+n+1 >= len(key) {
			b.Data = b.Data[:start]
			return 0, fmt.Errorf("%w: a string does not end", ErrKey)
		}
		b.Data = append(b.Data, key[at:at+n]...)
		at += n + 2
		switch key[at-1] {
		case endOfBytes:
			b.AppendBytes(nil)
			return at, nil
		case escapedNul:
			b.Data = append(b.Data, escape)
		default:
			b.Data = b.Data[:start]
			return 0, fmt.Errorf("%w: a bad escape", ErrKey)
		}
	}
}
