package record

import (
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compressor keeps the encoders' memory between calls. The zero value is ready;
// it is not for concurrent use. There is no pool behind it: an encoder stays with
// its owner, so that it never crosses from one test's bubble to another.
type Compressor struct {
	gzip *gzip.Writer
	lz4  *lz4.Writer
	zstd *zstd.Encoder
}

// Compress appends src compressed to dst. The codec None copies.
func (c *Compressor) Compress(dst []byte, codec Codec, src []byte) ([]byte, error) {
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		out := appender{dst}
		if c.gzip == nil {
			c.gzip = gzip.NewWriter(nil)
		}
		c.gzip.Reset(&out)
		return out.finish(c.gzip, src)
	case Snappy:
		return compressXerial(dst, src), nil
	case LZ4:
		out := appender{dst}
		if c.lz4 == nil {
			c.lz4 = lz4.NewWriter(nil)
			if err := c.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil { // as Kafka's clients
				return dst, fmt.Errorf("lz4: %w", err)
			}
		}
		c.lz4.Reset(&out)
		return out.finish(c.lz4, src)
	case Zstd:
		if c.zstd == nil {
			enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
			if err != nil {
				return dst, fmt.Errorf("zstd: %w", err)
			}
			c.zstd = enc
		}
		return c.zstd.EncodeAll(src, dst), nil
	}
	return dst, fmt.Errorf("%w: %d", ErrCodec, codec)
}

// appender is an io.Writer onto a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

func (a *appender) finish(w interface {
	Write([]byte) (int, error)
	Close() error
}, src []byte) ([]byte, error) {
	if _, err := w.Write(src); err != nil {
		return a.b, err
	}
	err := w.Close()
	return a.b, err
}
