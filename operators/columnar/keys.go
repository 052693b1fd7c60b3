package columnar

import (
	"bytes"
	"encoding/binary"
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
	at  []int32 // by physical row: first the size of its key, then where its next column goes
	all []int32 // 0, 1, 2, ...
}

// Encode encodes the key of every row of b.Sel, made of the columns cols, into
// into, whose memory is reused. Rows outside Sel get an empty key, and an
// undefined hash and partition.
func (e *KeyEncoder) Encode(b *Batch, cols []int, statePartitions int32, into *Keys) {
	rows := e.rows(b)
	if len(cols) == 1 && encodeOne(b.Cols[cols[0]], rows, b.Rows, statePartitions, into) {
		return
	}
	e.measure(b, cols, rows, into)
	for _, c := range cols {
		e.write(b.Cols[c], rows, into.Data)
	}
	into.Hash = resize(into.Hash, b.Rows)
	into.Partition = resize(into.Partition, b.Rows)
	off, data := into.Off, into.Data
	for _, i := range rows {
		h := xxh3.Hash(data[off[i]:off[i+1]])
		into.Hash[i] = h
		into.Partition[i] = PartitionOf(h, statePartitions)
	}
}

// rows is b.Sel with nil spelt out.
func (e *KeyEncoder) rows(b *Batch) []int32 {
	if b.Sel != nil {
		return b.Sel
	}
	for i := len(e.all); i < b.Rows; i++ {
		e.all = append(e.all, int32(i))
	}
	return e.all[:b.Rows]
}

// HashKey is the hash of an encoded key: xxh3, 64 bits, seed 0.
func HashKey(key []byte) uint64 { return xxh3.Hash(key) }

// PartitionOf is the state partition of a key's hash: the high half of the hash
// scaled to the number of partitions.
func PartitionOf(hash uint64, statePartitions int32) int32 {
	return int32((hash >> 32) * uint64(statePartitions) >> 32)
}

// measure sizes every key, sets Off and makes room in Data.
func (e *KeyEncoder) measure(b *Batch, cols []int, rows []int32, into *Keys) {
	e.at = resize(e.at, b.Rows)
	clear(e.at)
	for _, c := range cols {
		e.addSizes(b.Cols[c], rows)
	}
	into.Off = resize(into.Off, b.Rows+1)
	total, next := int32(0), int32(0)
	for _, i := range rows {
		for ; next <= i; next++ {
			into.Off[next] = total
		}
		n := e.at[i]
		e.at[i] = total
		total += n
	}
	for ; int(next) <= b.Rows; next++ {
		into.Off[next] = total
	}
	into.room(int(total))
}

// room makes Data n bytes long, with slack behind it.
func (k *Keys) room(n int) {
	if cap(k.Data) < n+keySlack {
		k.Data = make([]byte, n, n+n/4+keySlack)
	}
	k.Data = k.Data[:n]
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// addSizes adds what a column takes in the keys of rows.
func (e *KeyEncoder) addSizes(col arrow.Array, rows []int32) {
	switch a := col.(type) {
	case *array.Boolean:
		e.addSize(col, rows, 2)
	case *array.Int64, *array.Timestamp, *array.Float64:
		e.addSize(col, rows, 9)
	case *array.String:
		e.addLengths(col, rows, a.ValueOffsets(), stringData(a.Data()))
	case *array.Binary:
		e.addLengths(col, rows, a.ValueOffsets(), stringData(a.Data()))
	default:
		panic(fmt.Sprintf("columnar: no key of %s", col.DataType()))
	}
}

func (e *KeyEncoder) addSize(col arrow.Array, rows []int32, width int32) {
	if col.NullN() == 0 {
		for _, i := range rows {
			e.at[i] += width
		}
		return
	}
	for _, i := range rows {
		if col.IsNull(int(i)) {
			e.at[i]++
		} else {
			e.at[i] += width
		}
	}
}

func (e *KeyEncoder) addLengths(col arrow.Array, rows []int32, off []int32, data []byte) {
	nulls, escapes := col.NullN() > 0, bytes.IndexByte(span(off, data), escape) >= 0
	for _, i := range rows {
		if nulls && col.IsNull(int(i)) {
			e.at[i]++
			continue
		}
		n := off[i+1] - off[i] + 3
		if escapes {
			n += int32(bytes.Count(data[off[i]:off[i+1]], []byte{escape}))
		}
		e.at[i] += n
	}
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

// write appends a column to the key of each row. data has keySlack behind it.
func (e *KeyEncoder) write(col arrow.Array, rows []int32, data []byte) {
	switch a := col.(type) {
	case *array.Boolean:
		e.writeBools(a, rows, data)
	case *array.Int64:
		writeWords(e, col, rows, a.Int64Values(), data, OrderedInt64)
	case *array.Timestamp:
		writeWords(e, col, rows, a.TimestampValues(), data, func(v arrow.Timestamp) uint64 { return OrderedInt64(int64(v)) })
	case *array.Float64:
		writeWords(e, col, rows, a.Float64Values(), data, OrderedFloat64)
	case *array.String:
		e.writeBytes(col, rows, a.ValueOffsets(), stringData(a.Data()), data)
	case *array.Binary:
		e.writeBytes(col, rows, a.ValueOffsets(), stringData(a.Data()), data)
	}
}

func (e *KeyEncoder) writeBools(col *array.Boolean, rows []int32, data []byte) {
	for _, i := range rows {
		at := e.at[i]
		if col.IsNull(int(i)) {
			data[at] = keyNull
			e.at[i] = at + 1
			continue
		}
		data[at], data[at+1] = keyValue, 0
		if col.Value(int(i)) {
			data[at+1] = 1
		}
		e.at[i] = at + 2
	}
}

func writeWords[T any](e *KeyEncoder, col arrow.Array, rows []int32, values []T, data []byte, ordered func(T) uint64) {
	nulls := col.NullN() > 0
	for _, i := range rows {
		at := e.at[i]
		if nulls && col.IsNull(int(i)) {
			data[at] = keyNull
			e.at[i] = at + 1
			continue
		}
		word := data[at : at+9 : at+9]
		word[0] = keyValue
		binary.BigEndian.PutUint64(word[1:], ordered(values[i]))
		e.at[i] = at + 9
	}
}

func (e *KeyEncoder) writeBytes(col arrow.Array, rows []int32, off []int32, src, data []byte) {
	nulls, escapes := col.NullN() > 0, bytes.IndexByte(span(off, src), escape) >= 0
	for _, i := range rows {
		at := e.at[i]
		if nulls && col.IsNull(int(i)) {
			data[at] = keyNull
			e.at[i] = at + 1
			continue
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
	}
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
