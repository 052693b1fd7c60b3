package replica

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/record"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestAppendRefuses(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a", meta.ConfigValue{Key: "max.message.bytes", Value: "200"})
	damaged := batch("x")
	damaged[len(damaged)-1] ^= 1
	for name, c := range map[string]struct {
		batch []byte
		o     AppendOptions
		code  error
	}{
		"old epoch":     {batch("x"), AppendOptions{LeaderEpoch: 7}, kerr.FencedLeaderEpoch},
		"large":         {batch(string(make([]byte, 300))), allAcks, kerr.MessageTooLarge},
		"damaged":       {damaged, allAcks, kerr.CorruptMessage},
		"no batch":      {nil, allAcks, kerr.InvalidRecord},
		"control batch": {record.ControlBatch(record.Control{}, 1, 0, 0), allAcks, kerr.InvalidRecord},
		"sequence gap":  {producerBatch(record.Header{ProducerID: 9, BaseSequence: 5, LeaderEpoch: -1}, 1, "x"), allAcks, nil},
	} {
		_, err := p.Append(t.Context(), c.batch, c.o)
		if c.code != nil && !errors.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAppend(t, p, producerBatch(record.Header{ProducerID: 8, LeaderEpoch: -1}, 1, "x"))
	if _, err := p.Append(t.Context(), producerBatch(record.Header{ProducerID: 8, BaseSequence: 5, LeaderEpoch: -1}, 1, "x"), allAcks); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("a gap: %v", err)
	}
	again, err := p.Append(t.Context(), producerBatch(record.Header{ProducerID: 8, LeaderEpoch: -1}, 1, "x"), allAcks)
	if err != nil || !again.Duplicate {
		t.Errorf("a duplicate: %+v, %v", again, err)
	}
}

// TestAcknowledgementsLeaveInOrder appends from many goroutines, with different
// wishes, while a sync ends whenever it likes.
func TestAcknowledgementsLeaveInOrder(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	var mu sync.Mutex
	var order []int64
	var wg sync.WaitGroup
	for g := range 8 {
		for i := range 50 {
			wg.Add(1)
			o := AppendOptions{Acks: AcksAll, LeaderEpoch: -1}
			if (g+i)%3 == 0 {
				o.Acks = AcksLeader
			}
			go p.Enqueue(batch(fmt.Sprint(g, i)), o, func(r Result, err error) {
				defer wg.Done()
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				order = append(order, r.BaseOffset)
			})
		}
	}
	wg.Wait()
	if len(order) != 400 || !slices.IsSorted(order) {
		t.Errorf("%d acknowledgements in the order %v", len(order), order)
	}
}

func TestEnqueueKeepsOrder(t *testing.T) {
	p := startNode(t, vfs.NewMem()).newTopic(t, "a")
	done := make(chan int64, 300)
	for i := range 300 {
		p.Enqueue(batch(fmt.Sprint(i)), AppendOptions{Origin: FromCoordinator, Acks: AcksAll, LeaderEpoch: p.LeaderEpoch()}, func(r Result, err error) {
			if err != nil {
				t.Error(err)
			}
			done <- r.BaseOffset
		})
	}
	for i := range int64(300) {
		if got := <-done; got != i {
			t.Fatalf("append %d went to %d", i, got)
		}
	}
	if got := values(t, p, 0, ReadUncommitted); got[17] != "17:17" || got[299] != "299:299" {
		t.Errorf("%q", got)
	}
}
