package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestQuickAgreesWithCareful walks random records, whole and damaged, with and
// without the quick way: the same records, and the same fault.
func TestQuickAgreesWithCareful(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 600 {
		var b Builder
		for range 1 + rng.IntN(20) {
			b.Append(rng.Int64N(1<<rng.IntN(40)+1), randomField(rng), randomField(rng), randomKVs(rng))
		}
		batch := bytes.Clone(b.Finish(Header{ProducerID: -1, Attributes: int16(rng.IntN(2)) * AttrAppendTime}))
		for range rng.IntN(3) {
			batch[HeaderSize+rng.IntN(len(batch)-HeaderSize)] = byte(rng.IntN(256))
		}
		quick := walkBatch(batch, (*Reader).Next)
		careful := walkBatch(batch, (*Reader).careful)
		if quick != careful {
			t.Fatalf("batch %x\nquick:   %s\ncareful: %s", batch, quick, careful)
		}
	}
}

func randomField(rng *rand.Rand) []byte {
	switch rng.IntN(5) {
	case 0:
		return nil
	case 1:
		return bytes.Repeat([]byte{'x'}, rng.IntN(20_000))
	}
	return bytes.Repeat([]byte{'y'}, rng.IntN(100))
}

func randomKVs(rng *rand.Rand) []KV {
	if rng.IntN(4) > 0 {
		return nil
	}
	return []KV{{Key: []byte("k"), Value: randomField(rng)}}
}

func walkBatch(batch []byte, next func(*Reader, *Record) bool) string {
	var r Reader
	if err := r.Reset(batch); err != nil {
		return err.Error()
	}
	var out bytes.Buffer
	for rec := (Record{}); next(&r, &rec); {
		fmt.Fprintf(&out, "%d %d %x %t %x %t %d; ", rec.Offset, rec.Timestamp, rec.Key, rec.Key == nil, rec.Value, rec.Value == nil, rec.HeaderCount)
	}
	return fmt.Sprint(out.String(), r.Err())
}
