package record

import "fmt"

// Codec is a compression, numbered as in a batch's attributes.
type Codec int8

// The codecs of the format.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String is the codec's name in Kafka's configuration.
func (c Codec) String() string {
	if c >= 0 && int(c) < len(codecNames) {
		return codecNames[c]
	}
	return fmt.Sprintf("codec(%d)", int8(c))
}

// ParseCodec reads a name as String writes it.
func ParseCodec(name string) (Codec, error) {
	for i, n := range codecNames {
		if n == name {
			return Codec(i), nil
		}
	}
	return None, fmt.Errorf("%w: %q, use none, gzip, snappy, lz4 or zstd", ErrCodec, name)
}

// Budget is what a batch of that many compressed bytes may decompress to: 32
// times its size and 1 MiB, never more than limit. Real data compresses less
// than 32-fold, small batches of one repeated value are below the 1 MiB; a zstd
// bomb can expand 32 000-fold.
func Budget(compressedBytes, limit int) int {
	return int(min(32*int64(compressedBytes)+1<<20, int64(limit)))
}

// Compress appends src compressed to dst. One-off use; who compresses often keeps
// a Compressor.
func Compress(dst []byte, codec Codec, src []byte) ([]byte, error) {
	var c Compressor
	return c.Compress(dst, codec, src)
}

// Decompress appends what src decompresses to, at most limit bytes, to dst.
// One-off use; who decompresses often keeps a Decompressor.
func Decompress(dst []byte, codec Codec, src []byte, limit int) ([]byte, error) {
	var d Decompressor
	return d.Decompress(dst, codec, src, limit)
}
