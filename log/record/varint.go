package record

import "math/bits"

// Varints are zigzag: 0, -1, 1, -2 … become 0, 1, 2, 3 …, seven bits a byte,
// lowest first.

// varint reads one. n is 0 if b ends within it or it has more than 64 bits. The
// one-byte case is apart so that it is inlined: nearly every varint is one.
func varint(b []byte) (v int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	return varintLong(b)
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

// sizeVarint is the number of bytes that putVarint writes.
func sizeVarint(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
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
