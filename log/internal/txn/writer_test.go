package txn

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/log/internal/coord"
)

// TestMarkersOfResetCore: a core sends markers and is reset while they are being
// written. Its successor sends the same again. Were both written at once, one of the
// first could come last, when the producer's next transaction is open in the
// partition, and end it.
func TestMarkersOfResetCore(t *testing.T) {
	inBubble(t, func(t *testing.T, b *broker) {
		pid, epoch := b.init("x")
		w := Write{TransactionalID: "x", ProducerID: pid, ProducerEpoch: epoch, Topic: "t", Version: 2}
		if _, err := b.Admit(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		b.gate = make(chan struct{})
		rounds := 0
		b.fail = func(coord.Marker) error { rounds++; return nil }
		if end := b.end("x", 5, pid, epoch, true); end.ErrorCode != 0 {
			t.Fatal(end.ErrorCode)
		}
		synctest.Wait() // the first round stands at the gate
		p := b.Partition("x")
		b.logs[p].Fail(errors.New("disk"))
		other := "x2"
		for b.Partition(other) != p {
			other += "'"
		}
		b.resetBy(other)
		b.logs[p].Fail(nil)
		synctest.Wait() // the new core has sent its markers
		if rounds != 0 {
			t.Fatalf("%d markers went past the gate", rounds)
		}
		b.mu.Lock()
		b.writer.mu.Lock()
		behind := len(b.writer.busy["x"])
		b.writer.mu.Unlock()
		b.mu.Unlock()
		if behind != 1 {
			t.Fatalf("%d jobs wait behind the first round's, want 1", behind)
		}
		close(b.gate)
		b.expectWritten(fmt.Sprintf("t/0 %d:1 commit v2", pid), fmt.Sprintf("t/0 %d:1 commit v2", pid))
		if len(b.writer.busy) != 0 {
			t.Errorf("left behind: %v", b.writer.busy)
		}
	})
}

// resetBy makes the core of a transactional id append, which fails.
func (b *broker) resetBy(id string) {
	b.t.Helper()
	if errorCode(b.must(initRequest(id))) == 0 {
		b.t.Fatal("the append did not fail")
	}
}
