package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Decompressor keeps the decoders' memory between calls. The zero value is
// ready; it is not for concurrent use.
type Decompressor struct {
	src    bytes.Reader
	gzip   *gzip.Reader
	lz4    *lz4.Reader
	zstd   *zstd.Decoder // for frames that say their size
	stream *zstd.Decoder // for others; it is busy with one until the next Reset
}

// Decompress appends what src decompresses to, at most limit bytes, to dst. More
// is ErrTooLarge, found before it is allocated; what is not the codec's format is
// ErrCorrupt.
func (d *Decompressor) Decompress(dst []byte, codec Codec, src []byte, limit int) ([]byte, error) {
	var err error
	switch codec {
	case None:
		if len(src) > limit {
			return dst, tooLarge(codec, limit)
		}
		return append(dst, src...), nil
	case Gzip:
		dst, err = d.gunzip(dst, src, limit)
	case Snappy:
		dst, err = decompressSnappy(dst, src, limit)
	case LZ4:
		if d.lz4 == nil {
			d.lz4 = lz4.NewReader(nil)
		}
		d.src.Reset(src)
		d.lz4.Reset(&d.src)
		dst, err = readAll(dst, d.lz4, len(src), limit)
	case Zstd:
		dst, err = d.unzstd(dst, src, limit)
	default:
		return dst, fmt.Errorf("%w: %d", ErrCodec, codec)
	}
	d.src.Reset(nil)
	switch {
	case err == nil:
		return dst, nil
	case errors.Is(err, errLimit):
		return dst, tooLarge(codec, limit)
	}
	return dst, fmt.Errorf("%w: %v: %v", ErrCorrupt, codec, err)
}

// errLimit is an output above the limit, before it is dressed for the caller.
var errLimit = errors.New("above the limit")

func tooLarge(codec Codec, limit int) error {
	return fmt.Errorf("%w: %v decompresses to more than %d bytes", ErrTooLarge, codec, limit)
}

func (d *Decompressor) gunzip(dst, src []byte, limit int) ([]byte, error) {
	d.src.Reset(src)
	var err error
	if d.gzip == nil {
		d.gzip, err = gzip.NewReader(&d.src)
	} else {
		err = d.gzip.Reset(&d.src)
	}
	if err != nil {
		return dst, err
	}
	return readAll(dst, d.gzip, len(src), limit)
}

// maxZstdWindow is what the format's specification asks every decoder to support;
// levels up to 19 need no more. A frame may claim any window and its decoder
// allocates it, so there has to be a bound.
const maxZstdWindow = 8 << 20

// unzstd decodes a frame that says its size at once, into a slice of exactly that
// capacity. One that does not, as the Java client's, is read as a stream: zstd's
// own limit on the output is fixed when a decoder is made.
func (d *Decompressor) unzstd(dst, src []byte, limit int) (_ []byte, err error) {
	var frame zstd.Header
	if err := frame.Decode(src); err != nil || !frame.HasFCS {
		d.src.Reset(src)
		if d.stream, err = zstdDecoder(d.stream); err != nil {
			return dst, err
		}
		if err := d.stream.Reset(&d.src); err != nil {
			return dst, err
		}
		return readAll(dst, d.stream, len(src), limit)
	}
	if frame.FrameContentSize > uint64(limit) {
		return dst, errLimit
	}
	if d.zstd, err = zstdDecoder(d.zstd); err != nil {
		return dst, err
	}
	size := int(frame.FrameContentSize)
	dst = slices.Grow(dst, size)
	return d.zstd.DecodeAll(src, dst[:len(dst):len(dst)+size])
}

func zstdDecoder(have *zstd.Decoder) (*zstd.Decoder, error) {
	if have != nil {
		return have, nil
	}
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
}

// readAll appends r to dst, growing by doubling.
func readAll(dst []byte, r io.Reader, compressed, limit int) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, min(4*compressed+512, limit+1))
	for {
		// One byte above the limit tells a full output from one too large.
		room := min(cap(dst), start+limit+1) - len(dst)
		n, err := r.Read(dst[len(dst) : len(dst)+room])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst)-start > limit:
			return dst[:start], errLimit
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		case len(dst) == cap(dst):
			dst = slices.Grow(dst, min(len(dst)-start, start+limit+1-len(dst)))
		}
	}
}
