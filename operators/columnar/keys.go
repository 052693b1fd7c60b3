package columnar

import "github.com/apache/arrow-go/v18/arrow"

// EncodeKeys encodes the grouping key of every row in b.Sel into into, whose
// memory is reused: for each of the columns cols in turn a typed encoding whose
// bytes order as the values do, nulls first. It fills Hash and Partition.
func EncodeKeys(b *Batch, cols []int, statePartitions int32, into *Keys) { panic("being written") }

// PartitionOf is the state partition of a key hash. It is fixed for ever: stored
// state depends on it.
func PartitionOf(hash uint64, statePartitions int32) int32 { panic("being written") }

// HashKey is the hash of an encoded key: xxh3, 64 bits, seed 0.
func HashKey(key []byte) uint64 { panic("being written") }

// DecodeKeys turns encoded keys back into one array per column type.
func DecodeKeys(keys [][]byte, types []Type) ([]arrow.Array, error) { panic("being written") }
