package record

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

var allCodecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

func TestCompressRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	var c Compressor
	var d Decompressor
	for _, codec := range allCodecs {
		for _, size := range []int{0, 1, 100, 70_000, 300_000} {
			src := make([]byte, size)
			for i := range src {
				src[i] = byte(rng.IntN(6))
			}
			packed, err := c.Compress([]byte("head"), codec, src)
			if err != nil || string(packed[:4]) != "head" {
				t.Fatal(codec, size, err)
			}
			got, err := d.Decompress([]byte("tail"), codec, packed[4:], size)
			if err != nil || !bytes.Equal(got, append([]byte("tail"), src...)) {
				t.Fatalf("%v %d: %v", codec, size, err)
			}
			if size > 0 {
				if _, err := d.Decompress(nil, codec, packed[4:], size-1); !errors.Is(err, ErrTooLarge) {
					t.Fatalf("%v %d with one byte less: %v", codec, size, err)
				}
			}
		}
	}
}

// TestCodecsAgainstKgo exchanges compressed data with another implementation.
func TestCodecsAgainstKgo(t *testing.T) {
	src := bytes.Repeat([]byte("some text that repeats, "), 9000)
	kgoCodec := map[Codec]kgo.CompressionCodec{
		Gzip: kgo.GzipCompression(), Snappy: kgo.SnappyCompression(), LZ4: kgo.Lz4Compression(), Zstd: kgo.ZstdCompression(),
	}
	for codec, theirs := range kgoCodec {
		enc, err := kgo.DefaultCompressor(theirs)
		if err != nil {
			t.Fatal(err)
		}
		packed, _ := enc.Compress(new(bytes.Buffer), src)
		got, err := Decompress(nil, codec, packed, len(src))
		if err != nil || !bytes.Equal(got, src) {
			t.Fatalf("theirs, %v: %v", codec, err)
		}
		ours, err := Compress(nil, codec, src)
		if err != nil {
			t.Fatal(err)
		}
		got, err = kgo.DefaultDecompressor().Decompress(ours, kgo.CompressionCodecType(codec))
		if err != nil || !bytes.Equal(got, src) {
			t.Fatalf("ours, %v: %v", codec, err)
		}
	}
}

func TestBudget(t *testing.T) {
	if got := Budget(10, 64<<20); got != 320+1<<20 {
		t.Fatal(got)
	}
	if got := Budget(100<<20, 64<<20); got != 64<<20 {
		t.Fatal(got)
	}
}

// TestBombs decompresses a gigabyte of zeros out of little: it must be refused,
// and refused without allocating it.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	known := enc.EncodeAll(zeros, nil)
	var stream bytes.Buffer // a stream's frame does not say its size
	enc.Reset(&stream)
	for range 64 {
		if _, err := enc.Write(zeros[:1<<20]); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	bombs := map[string]struct {
		codec Codec
		src   []byte
	}{
		"zstd with a size":    {Zstd, known},
		"zstd without a size": {Zstd, stream.Bytes()},
		"snappy":              {Snappy, s2.EncodeSnappy(nil, zeros)},
	}
	for _, codec := range []Codec{Gzip, LZ4, Snappy} {
		packed, err := Compress(nil, codec, zeros)
		if err != nil {
			t.Fatal(err)
		}
		bombs["our "+codec.String()] = struct {
			codec Codec
			src   []byte
		}{codec, packed}
	}
	for name, bomb := range bombs {
		budget := 1 << 20
		out, err := Decompress(nil, bomb.codec, bomb.src, budget)
		if !errors.Is(err, ErrTooLarge) {
			t.Fatalf("%s: %v", name, err)
		}
		if cap(out) > 4*budget {
			t.Fatalf("%s: allocated %d bytes for a budget of %d", name, cap(out), budget)
		}
	}
}

func TestGarbageIsCorrupt(t *testing.T) {
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		if _, err := Decompress(nil, codec, []byte("\xff\xfe this is not compressed"), 1<<20); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%v: %v", codec, err)
		}
	}
	if _, err := Decompress(nil, Snappy, append(bytes.Clone(xerialHeader), 0x7f, 0xff, 0xff, 0xff), 1<<20); !errors.Is(err, ErrCorrupt) {
		t.Errorf("xerial block past the end: %v", err)
	}
	if _, err := Decompress(nil, 6, nil, 1); !errors.Is(err, ErrCodec) {
		t.Error(err)
	}
}

func TestParseCodec(t *testing.T) {
	for _, codec := range allCodecs {
		if got, err := ParseCodec(codec.String()); got != codec || err != nil {
			t.Error(codec, got, err)
		}
	}
	if _, err := ParseCodec("brotli"); !errors.Is(err, ErrCodec) {
		t.Error(err)
	}
}

func FuzzDecompress(f *testing.F) {
	for _, codec := range allCodecs {
		packed, _ := Compress(nil, codec, bytes.Repeat([]byte("abc"), 400))
		f.Add(int8(codec), packed)
	}
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		const limit = 1 << 16
		out, err := Decompress(nil, Codec(codec), src, limit)
		if err == nil && len(out) > limit {
			t.Fatalf("%d bytes", len(out))
		}
	})
}
