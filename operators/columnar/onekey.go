package columnar

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
)

// Most keys are one column of text or integers without nulls. For them the passes of
// KeyEncoder, which are there for keys of several columns, are folded into one, at
// half the cost.

// encodeOne encodes keys of one usual column; false if the column is not one of those.
func encodeOne(col arrow.Array, rows []int32, n int, statePartitions int32, into *Keys) bool {
	if col.NullN() > 0 {
		return false
	}
	switch a := col.(type) {
	case *array.Int64:
		into.oneWord(a.Int64Values(), rows, n, statePartitions)
	case *array.String:
		off, data := a.ValueOffsets(), stringData(a.Data())
		if bytes.IndexByte(span(off, data), escape) >= 0 {
			return false
		}
		into.oneText(off, data, rows, n, statePartitions)
	default:
		return false
	}
	return true
}

func (k *Keys) oneWord(values []int64, rows []int32, n int, statePartitions int32) {
	k.room(9 * len(rows))
	k.Off, k.Hash, k.Partition = resize(k.Off, n+1), resize(k.Hash, n), resize(k.Partition, n)
	at, next := 0, int32(0)
	for _, i := range rows {
		for ; next <= i; next++ {
			k.Off[next] = int32(at)
		}
		key := k.Data[at : at+9 : at+9]
		key[0] = keyValue
		binary.BigEndian.PutUint64(key[1:], OrderedInt64(values[i]))
		at += 9
		h := xxh3.Hash(key)
		k.Hash[i] = h
		k.Partition[i] = PartitionOf(h, statePartitions)
	}
	k.endOffsets(next, at)
}

func (k *Keys) oneText(off []int32, src []byte, rows []int32, n int, statePartitions int32) {
	size := 3 * len(rows)
	for _, i := range rows {
		size += int(off[i+1] - off[i])
	}
	k.room(size)
	k.Off, k.Hash, k.Partition = resize(k.Off, n+1), resize(k.Hash, n), resize(k.Partition, n)
	at, next := 0, int32(0)
	for _, i := range rows {
		for ; next <= i; next++ {
			k.Off[next] = int32(at)
		}
		v := src[off[i]:off[i+1]]
		key := k.Data[at : at+len(v)+3]
		key[0] = keyValue
		copy(key[1:], v)
		key[len(v)+1], key[len(v)+2] = escape, endOfBytes
		at += len(key)
		h := xxh3.Hash(key)
		k.Hash[i] = h
		k.Partition[i] = PartitionOf(h, statePartitions)
	}
	k.endOffsets(next, at)
}

// endOffsets fills the offsets behind the last row.
func (k *Keys) endOffsets(next int32, at int) {
	for ; int(next) < len(k.Off); next++ {
		k.Off[next] = int32(at)
	}
}
