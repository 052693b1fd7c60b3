package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/klauspost/compress/s2"
)

// Kafka's Java client frames snappy the way the xerial library does: a header,
// then blocks of a length (int32, big endian) and a raw snappy block. Other
// clients send one raw block without a frame. Both are read; the frame is
// written, because every client reads it.
//
//	0  82 53 4e 41 50 50 59 00   "\x82SNAPPY\x00"
//	8  version            int32  1
//	12 lowest compatible  int32  1
//	16 blocks
var xerialHeader = []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")

const (
	xerialMagicSize  = 8
	xerialHeaderSize = 16
	xerialBlockSize  = 64 << 10
)

var errSnappy = errors.New("bad snappy frame")

func compressXerial(dst, src []byte) []byte {
	dst = append(dst, xerialHeader...)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlockSize)]
		src = src[len(block):]
		at := len(dst) + 4
		dst = slices.Grow(dst, 4+s2.MaxEncodedLen(len(block)))
		packed := s2.EncodeSnappy(dst[at:cap(dst)], block)
		dst = dst[:at+len(packed)]
		binary.BigEndian.PutUint32(dst[at-4:], uint32(len(packed)))
	}
	return dst
}

func decompressSnappy(dst, src []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialHeader[:xerialMagicSize]) {
		return appendSnappy(dst, src, limit)
	}
	if len(src) < xerialHeaderSize {
		return dst, errSnappy
	}
	src = src[xerialHeaderSize:]
	start := len(dst)
	for len(src) > 0 {
		if len(src) < 4 {
			return dst, errSnappy
		}
		size := int64(binary.BigEndian.Uint32(src))
		src = src[4:]
		if size > int64(len(src)) {
			return dst, errSnappy
		}
		var err error
		if dst, err = appendSnappy(dst, src[:size], limit-(len(dst)-start)); err != nil {
			return dst, err
		}
		src = src[size:]
	}
	return dst, nil
}

// appendSnappy decodes one raw block, whose first bytes say how long it is.
func appendSnappy(dst, block []byte, limit int) ([]byte, error) {
	size, err := s2.DecodedLen(block)
	if err != nil {
		return dst, err
	}
	if size > limit {
		return dst, errLimit
	}
	dst = slices.Grow(dst, size)
	out, err := s2.Decode(dst[len(dst):len(dst)+size], block)
	if err != nil {
		return dst, err
	}
	return dst[:len(dst)+len(out)], nil
}
