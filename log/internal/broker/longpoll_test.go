package broker

import (
	"testing"

	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/record"
)

// A transaction that reaches into two reads of one answer is in it once.
func TestAbortedTransactionsOfTwoReads(t *testing.T) {
	first := []replica.AbortedTransaction{{ProducerID: 1, FirstOffset: 0}, {ProducerID: 2, FirstOffset: 5}}
	second := []replica.AbortedTransaction{{ProducerID: 2, FirstOffset: 5}, {ProducerID: 2, FirstOffset: 9}}
	list := addAborted(addAborted(nil, first), second)
	if len(list) != 3 || list[1].FirstOffset != 5 || list[2].FirstOffset != 9 {
		t.Fatalf("%+v", list)
	}
	if list := addAborted(nil, nil); list == nil {
		t.Fatal("none is null: read_committed has an empty list")
	}
}

func TestWhereReadingGoesOn(t *testing.T) {
	var b record.Builder
	var batches []byte
	for _, base := range []int64{10, 13} {
		for range 3 {
			b.Append(0, []byte("k"), nil, nil)
		}
		batch := append([]byte(nil), b.Finish(record.Plain())...)
		record.SetBaseOffset(batch, base)
		batches = append(batches, batch...)
		b.Reset()
	}
	if end := endOf(batches); end != 16 {
		t.Fatalf("goes on at %d, want 16", end)
	}
}
