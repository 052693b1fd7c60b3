package coord

import (
	"errors"
	"reflect"
	"testing"

	"github.com/millrace/millrace/log/record"
)

// TestDecode: what a core appends is what Replay gets.
func TestDecode(t *testing.T) {
	plain := Batch{TimestampMs: 5, ProducerID: -1, ProducerEpoch: -1,
		Records: []KV{{[]byte("k1"), []byte("v1")}, {[]byte("k2"), nil}, {[]byte("k3"), []byte{}}}}
	inTxn := Batch{TimestampMs: 6, ProducerID: 9, ProducerEpoch: 2, Transactional: true, Records: []KV{{[]byte("k4"), []byte("v4")}}}
	marker := EncodeMarker(7, Marker{ProducerID: 9, ProducerEpoch: 3, CoordinatorEpoch: 4, Commit: true})
	var log []byte
	next := int64(10)
	for _, b := range [][]byte{plain.Encode(), inTxn.Encode(), marker} {
		h, err := record.Check(b, record.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		record.SetBaseOffset(b, next)
		log, next = append(log, b...), next+int64(h.LastOffsetDelta)+1
	}
	want := []Record{
		{Offset: 10, Key: []byte("k1"), Value: []byte("v1"), ProducerID: -1, ProducerEpoch: -1},
		{Offset: 11, Key: []byte("k2"), ProducerID: -1, ProducerEpoch: -1},
		{Offset: 12, Key: []byte("k3"), Value: []byte{}, ProducerID: -1, ProducerEpoch: -1},
		{Offset: 13, Key: []byte("k4"), Value: []byte("v4"), ProducerID: 9, ProducerEpoch: 2, Transactional: true},
		{Offset: 14, ProducerID: 9, ProducerEpoch: 3, Transactional: true, Control: true, Commit: true, CoordinatorEpoch: 4},
	}
	var got []Record
	keep := func(r Record) error { got = append(got, r); return nil }
	end, err := Decode(log, 10, keep)
	if err != nil || end != 15 || !reflect.DeepEqual(got, want) {
		t.Fatalf("Decode: %+v, end %d, %v", got, end, err)
	}
	// A read that was cut goes on at the batch that it cut.
	got = nil
	if end, err := Decode(log[:len(log)-1], 10, keep); err != nil || end != 14 || len(got) != 4 {
		t.Fatalf("Decode of a cut read: %d records, end %d, %v", len(got), end, err)
	}
	log[70]++
	if _, err := Decode(log, 10, keep); !errors.Is(err, record.ErrCorrupt) {
		t.Fatalf("Decode of a flipped bit: %v", err)
	}
	stop := errors.New("stop")
	log[70]--
	if _, err := Decode(log, 10, func(Record) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("Decode hides the error of its caller: %v", err)
	}
}
