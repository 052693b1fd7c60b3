package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func sample(t testing.TB, n int) []byte {
	t.Helper()
	var b Builder
	return bytes.Clone(build(&b, randomRecords(rand.New(rand.NewPCG(9, 9)), n), Plain()))
}

// reseal makes a batch's checksum right again after a test changed it.
func reseal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[atCRC:], Checksum(b))
	return b
}

func TestCheckRefuses(t *testing.T) {
	put32 := func(at int, v int32) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[at:], uint32(v))
			return reseal(b)
		}
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		limits Limits
		want   error
	}{
		"a flipped bit":         {func(b []byte) []byte { b[len(b)-1] ^= 4; return b }, Limits{}, ErrCorrupt},
		"an old format":         {func(b []byte) []byte { b[atMagic] = 1; return b }, Limits{}, ErrMagic},
		"a negative length":     {func(b []byte) []byte { b[atLength] = 0xff; return b }, Limits{}, ErrCorrupt},
		"a short length":        {func(b []byte) []byte { binary.BigEndian.PutUint32(b[atLength:], 48); return b }, Limits{}, ErrCorrupt},
		"a length past the end": {func(b []byte) []byte { b[atLength+1] = 1; return b }, Limits{}, io.ErrUnexpectedEOF},
		"a cut header":          {func(b []byte) []byte { return b[:60] }, Limits{}, io.ErrUnexpectedEOF},
		"a cut first field":     {func(b []byte) []byte { return b[:5] }, Limits{}, io.ErrUnexpectedEOF},
		"more than the limit":   {func(b []byte) []byte { return b }, Limits{MaxBytes: 100}, ErrTooLarge},
		"an unknown codec":      {func(b []byte) []byte { b[atAttributes+1] |= 7; return reseal(b) }, Limits{}, ErrCodec},
		"too many records":      {put32(atCount, 1<<30), Limits{}, ErrCorrupt},
		"no records":            {put32(atCount, 0), Limits{}, ErrCorrupt},
		"a negative count":      {put32(atCount, -1), Limits{Sparse: true}, ErrCorrupt},
		"a negative last delta": {put32(atLastDelta, -1), Limits{Sparse: true}, ErrCorrupt},
		"a gap":                 {put32(atLastDelta, 100), Limits{}, ErrCorrupt},
		"a count that does not fit": {func(b []byte) []byte {
			return put32(atLastDelta, 1<<30-1)(put32(atCount, 1<<30)(b))
		}, Limits{}, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Check(c.change(sample(t, 20)), c.limits); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
	if _, err := Check(put32(atLastDelta, 100)(sample(t, 20)), Limits{Sparse: true}); err != nil {
		t.Fatalf("a compacted batch: %v", err)
	}
}

func TestOldFormatIsNamed(t *testing.T) {
	b := make([]byte, 40)
	b[atMagic] = 1
	if _, err := ParseHeader(b); err == nil || !strings.Contains(err.Error(), "magic 1") {
		t.Fatal(err)
	}
	if _, _, err := Split(b); !errors.Is(err, ErrMagic) {
		t.Fatal(err)
	}
}

func TestStampingKeepsTheChecksum(t *testing.T) {
	b := sample(t, 3)
	SetBaseOffset(b, 1<<50)
	SetLeaderEpoch(b, 12)
	h, err := Check(b, Limits{})
	if err != nil || h.BaseOffset != 1<<50 || h.LeaderEpoch != 12 || h.LastOffset() != 1<<50+2 {
		t.Fatal(h, err)
	}
	if sum := ChecksumParts(b[:HeaderSize], b[HeaderSize:]); sum != h.CRC {
		t.Fatalf("%08x %08x", sum, h.CRC)
	}
}

func TestSplit(t *testing.T) {
	one, two := sample(t, 2), sample(t, 5)
	all := append(bytes.Clone(one), two...)
	first, rest, err := Split(all)
	if err != nil || !bytes.Equal(first, one) {
		t.Fatal(err)
	}
	second, rest, err := Split(rest)
	if err != nil || !bytes.Equal(second, two) || len(rest) != 0 {
		t.Fatal(err)
	}
	if _, _, err := Split(rest); err != io.EOF {
		t.Fatal(err)
	}
	for n := 1; n < len(one); n++ {
		if _, _, err := Split(one[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(n, err)
		}
	}
}

// TestHostileRecords has valid checksums over records that lie.
func TestHostileRecords(t *testing.T) {
	varints := func(list ...int64) []byte {
		var b []byte
		for _, v := range list {
			var p [10]byte
			b = append(b, p[:putVarint(p[:], v)]...)
		}
		return b
	}
	for name, records := range map[string][]byte{
		"a length past the end":    varints(1 << 40),
		"a negative length":        varints(-5),
		"a varint without an end":  bytes.Repeat([]byte{0xff}, 20),
		"no attributes":            append(varints(0), make([]byte, 8)...),
		"a key past the end":       append(varints(6), append([]byte{0}, varints(0, 0, 500, -1, 0)...)...),
		"a key below null":         append(varints(6), append([]byte{0}, varints(0, 0, -2, -1, 0)...)...),
		"an offset past the last":  append(varints(6), append([]byte{0}, varints(0, 1, -1, -1, 0)...)...),
		"a million headers":        append(varints(8), append([]byte{0}, varints(0, 0, -1, -1, 1_000_000)...)...),
		"bytes after the headers":  append(varints(7), append([]byte{0}, varints(0, 0, -1, -1, 0, 0)...)...),
		"bytes after the last one": append(append(varints(6), append([]byte{0}, varints(0, 0, -1, -1, 0)...)...), 1, 2),
	} {
		t.Run(name, func(t *testing.T) {
			b := make([]byte, HeaderSize, HeaderSize+len(records))
			h := Plain()
			h.Magic, h.Count, h.Length = Magic, 1, int32(HeaderSize-lengthOverhead+len(records))
			h.Put(b)
			b = reseal(append(b, records...))
			var r Reader
			if err := r.Reset(b); err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				return
			}
			for rec := (Record{}); r.Next(&rec); {
			}
			if !errors.Is(r.Err(), ErrCorrupt) {
				t.Fatalf("walked to the end: %v", r.Err())
			}
		})
	}
}

func TestVarint(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range 10_000 {
		v := int64(rng.Uint64()) >> rng.IntN(64)
		var b [10]byte
		n := putVarint(b[:], v)
		if got, m := varint(b[:n]); got != v || m != n || n != sizeVarint(v) {
			t.Fatalf("%d: %d -> %d in %d of %d bytes, size %d", i, v, got, m, n, sizeVarint(v))
		}
		if want := binary.AppendVarint(nil, v); !bytes.Equal(want, b[:n]) {
			t.Fatalf("%d: % x, want % x", v, b[:n], want)
		}
		for short := range n {
			if _, m := varint(b[:short]); m != 0 {
				t.Fatalf("% x read as %d bytes", b[:short], m)
			}
		}
	}
}

// FuzzBatch feeds bytes to everything that reads a batch: nothing may panic, and
// what is accepted must be consistent. Half of the inputs get a right checksum,
// or the fuzzer would never pass it.
func FuzzBatch(f *testing.F) {
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		var b Builder
		h := Plain()
		h.Attributes = int16(codec)
		f.Add(bytes.Clone(build(&b, randomRecords(rand.New(rand.NewPCG(1, 2)), 9), h)), true)
	}
	f.Add(ControlBatch(Control{Commit, 4}, 9, 1, 5), true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		b = bytes.Clone(b)
		if batch, _, err := Split(b); err == nil && seal {
			reseal(batch)
		}
		h, err := Check(b, Limits{Sparse: true})
		_, _, splitErr := Split(b)
		if err == nil && splitErr != nil {
			t.Fatalf("checked, but does not split: %v", splitErr)
		}
		r := Reader{MaxBytes: 1 << 20}
		if r.Reset(b) != nil {
			return
		}
		n := int32(0)
		for rec := (Record{}); r.Next(&rec); n++ {
			for hs := rec.Headers(); hs.Next(); {
				_ = fmt.Sprint(hs.Key)
			}
			if rec.Offset < r.Header().BaseOffset || rec.Offset > r.Header().LastOffset() {
				t.Fatalf("offset %d", rec.Offset)
			}
		}
		if r.Err() == nil && n != r.Header().Count {
			t.Fatalf("%d records of %d, no error", n, h.Count)
		}
		_, _ = ParseControl(b)
	})
}
