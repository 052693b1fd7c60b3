package record

import (
	"bytes"
	"fmt"
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
		text := fmt.Sprintf("%d@%d %s=%q nil:%v", rec.Offset, rec.Timestamp, rec.Key, rec.Value, rec.Value == nil)
		for hs := rec.Headers(); hs.Next(); {
			text += fmt.Sprintf(" %s:%x", hs.Key, hs.Value)
		}
		list = append(list, text)
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
