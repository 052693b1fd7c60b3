package record

import (
	"encoding/binary"
	"math/bits"
)

// Varints are zigzag: 0, -1, 1, -2 … become 0, 1, 2, 3 …, seven bits a byte,
// lowest first.

// varint reads one. n is 0 if b ends within it or it has more than 64 bits.
func varint(b []byte) (v int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	return varintLong(b)
}

// shortBytes is how much short reads at once.
const shortBytes = 4

// short is the varint at p, zigzag not undone, if it has at most three bytes; next
// is 0 otherwise. There must be shortBytes at p. It is inlined: keep it small.
func short(b []byte, p int) (u uint32, next int) {
	x := binary.LittleEndian.Uint32(b[p:])
	switch {
	case x&0x80 == 0:
		return x & 0x7f, p + 1
	case x&0x8000 == 0:
		return x&0x7f | x>>1&0x3f80, p + 2
	case x&0x800000 == 0:
		return x&0x7f | x>>1&0x3f80 | x>>2&0x1fc000, p + 3
	}
	return 0, 0
}

func varintLong(b []byte) (int64, int) {
	var u uint64
	for i, c := range b {
		if i == 9 && c > 1 {
			return 0, 0
		}
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i + 1
		}
		if i == 9 {
			break
		}
	}
	return 0, 0
}

// sizeVarint is the number of bytes that putVarint writes. Nearly all take one or
// two; for the others it is the bits of u over seven, rounded up, without a
// division (9/64 is close enough up to 64 bits).
func sizeVarint(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	if u < 1<<7 {
		return 1
	}
	return int(uint(bits.Len64(u))*9+64) >> 6
}

// putVarint writes at the start of b and returns the number of bytes.
func putVarint(b []byte, v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	i := 0
	for u >= 0x80 {
		b[i] = byte(u) | 0x80
		u >>= 7
		i++
	}
	b[i] = byte(u)
	return i + 1
}
