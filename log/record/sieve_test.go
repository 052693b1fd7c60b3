package record

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// siftBatch builds a batch of n keyed records, every third a tombstone, with a header each.
func siftBatch(h Header, n int) []byte {
	var b Builder
	for i := range n {
		value := fmt.Appendf(nil, "value-%d-value-value-value", i)
		if i%3 == 2 {
			value = nil
		}
		b.Append(5000+int64(i*7%11), fmt.Appendf(nil, "key-%d", i), value, []KV{{Key: []byte("h"), Value: []byte{byte(i)}}})
	}
	batch := bytes.Clone(b.Finish(h))
	SetBaseOffset(batch, 1000)
	SetLeaderEpoch(batch, 3)
	return batch
}

func sifted(t *testing.T, batch []byte) (h Header, list []string) {
	t.Helper()
	if _, err := Check(batch, Limits{Sparse: true}); err != nil {
		t.Fatal(err)
	}
	var r Reader
	if err := r.Reset(batch); err != nil {
		t.Fatal(err)
	}
	for rec := (Record{}); r.Next(&rec); {
		var text strings.Builder
		fmt.Fprintf(&text, "%d@%d %s=%q nil:%v", rec.Offset, rec.Timestamp, rec.Key, rec.Value, rec.Value == nil)
		for hs := rec.Headers(); hs.Next(); {
			fmt.Fprintf(&text, " %s:%x", hs.Key, hs.Value)
		}
		list = append(list, text.String())
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return *r.Header(), list
}

func TestSieveKeepsWhatIsAsked(t *testing.T) {
	for codec := None; codec <= Zstd; codec++ {
		for _, horizon := range []int64{0, 99_000_000} {
			h := Header{Attributes: int16(codec) | AttrTransactional, ProducerID: 9, ProducerEpoch: 2, BaseSequence: 40}
			batch := siftBatch(h, 20)
			_, before := sifted(t, batch)
			var s Sieve
			got, err := s.Sift(batch, horizon, func(r *Record) bool { return r.Offset%2 == 0 })
			if err != nil {
				t.Fatal(err)
			}
			after, list := sifted(t, got.Batch)
			var want []string
			maxMs := int64(0)
			for i, line := range before {
				if i%2 == 0 {
					want = append(want, line)
					maxMs = max(maxMs, 5000+int64(i*7%11))
				}
			}
			if fmt.Sprint(list) != fmt.Sprint(want) || got.Kept != 10 || got.Tombstones != 3 {
				t.Fatalf("%v: %+v\n%v\nwant\n%v", codec, got, list, want)
			}
			if after.BaseOffset != 1000 || after.LastOffset() != 1019 || after.LeaderEpoch != 3 || after.Codec() != codec ||
				after.LastSequence() != 59 || after.BaseSequence != 40 || !after.Transactional() || after.MaxTimestamp != maxMs {
				t.Fatalf("%v: %+v", codec, after)
			}
			if at, ok := after.DeleteHorizon(); ok != (horizon > 0) || ok && at != horizon {
				t.Fatalf("horizon %d %v", at, ok)
			}
			// A horizon that is there stays.
			again, err := s.Sift(bytes.Clone(got.Batch), horizon+5, func(r *Record) bool { return r.Offset != 1000 })
			if err != nil {
				t.Fatal(err)
			}
			after, list = sifted(t, again.Batch)
			if at, ok := after.DeleteHorizon(); horizon > 0 && (!ok || at != horizon) || fmt.Sprint(list) != fmt.Sprint(want[1:]) {
				t.Fatalf("%d %v %v", at, ok, list)
			}
		}
	}
}

func TestSieveWithoutChange(t *testing.T) {
	var s Sieve
	batch := siftBatch(Plain(), 2) // without a tombstone
	all := func(*Record) bool { return true }
	got, err := s.Sift(batch, 500, all)
	if err != nil || &got.Batch[0] != &batch[0] {
		t.Fatalf("%+v %v", got, err)
	}
	got, err = s.Sift(batch, 500, func(*Record) bool { return false })
	if err != nil || got.Batch != nil || got.Kept != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	marker := ControlBatch(Control{Marker: Commit, CoordinatorEpoch: 7}, 9, 2, 1234)
	got, err = s.Sift(marker, 500, all)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := sifted(t, got.Batch)
	c, err := ParseControl(got.Batch)
	if at, ok := h.DeleteHorizon(); err != nil || !ok || at != 500 || c.Marker != Commit || c.CoordinatorEpoch != 7 || h.MaxTimestamp != 1234 {
		t.Fatalf("%+v %+v %v", h, c, err)
	}
}

func TestEnvelope(t *testing.T) {
	batch := siftBatch(Header{Attributes: int16(Zstd) | AttrTransactional, ProducerID: 9, ProducerEpoch: 2, BaseSequence: 2147483640}, 20)
	h, _ := sifted(t, batch)
	e, list := sifted(t, Envelope(h))
	if len(list) != 0 || e.Size() != HeaderSize || e.Codec() != None || !e.Transactional() || e.LastSequence() != h.LastSequence() ||
		e.LastOffset() != h.LastOffset() || e.ProducerEpoch != 2 || e.MaxTimestamp != h.MaxTimestamp || e.LeaderEpoch != 3 {
		t.Fatalf("%+v", e)
	}
}

// FuzzSieve sifts anything that has a right checksum. What is left is a whole batch
// with the records that were kept, or an error, and never more than was there.
func FuzzSieve(f *testing.F) {
	for codec := None; codec <= Zstd; codec++ {
		f.Add(siftBatch(Header{Attributes: int16(codec), ProducerID: 1, BaseSequence: 3}, 9), uint16(0b1010), int64(77))
	}
	f.Add(ControlBatch(Control{Marker: Abort}, 1, 1, 5), uint16(1), int64(7))
	f.Fuzz(func(t *testing.T, batch []byte, kept uint16, horizon int64) {
		h, err := ParseHeader(batch)
		if err != nil || h.Size() != len(batch) {
			return
		}
		s := Sieve{MaxBytes: 1 << 20}
		var want []int64
		got, err := s.Sift(batch, horizon, func(r *Record) bool {
			keep := kept>>(r.Offset&15)&1 == 1
			if keep {
				want = append(want, r.Offset)
			}
			return keep
		})
		if err != nil || got.Kept == 0 {
			return
		}
		if got.Kept != len(want) {
			t.Fatalf("%d of %d", got.Kept, len(want))
		}
		if &got.Batch[0] != &batch[0] {
			if _, err := Check(got.Batch, Limits{Sparse: true}); err != nil {
				t.Fatal(err)
			}
		}
		r := Reader{MaxBytes: 1 << 20}
		if err := r.Reset(got.Batch); err != nil {
			t.Fatal(err)
		}
		for rec := (Record{}); r.Next(&rec); want = want[1:] {
			if rec.Offset != want[0] {
				t.Fatalf("offset %d, want %d", rec.Offset, want[0])
			}
		}
		if r.Err() != nil || len(want) > 0 {
			t.Fatal(r.Err(), want)
		}
	})
}
