package sasl

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestAFloodWaitsBehindItself: one machine that tried passwords on two hundred
// connections kept everybody who uses PLAIN out, for minutes, since all waited for
// their turn in one queue, behind it.
func TestAFloodWaitsBehindItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		if err := turns.take(t.Context(), "busy"); err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, address := range []string{"flood", "flood", "flood", "flood", "anna", "bob"} {
			go func() {
				if err := turns.take(t.Context(), address); err != nil {
					t.Error(err)
				}
				order = append(order, address) // whoever has the turn is alone
				turns.give()
			}()
			synctest.Wait()
		}
		turns.give()
		synctest.Wait()
		want := []string{"flood", "anna", "bob", "flood", "flood", "flood"}
		for i := range want {
			if len(order) != len(want) || order[i] != want[i] {
				t.Fatalf("turns come to %v, not %v", order, want)
			}
		}
		if turns.free != 1 || len(turns.queues) != 0 || len(turns.order) != 0 {
			t.Errorf("afterwards: %+v", turns)
		}
	})
}

// TestWhoLeavesTakesNoTurn: those who give up, in front, in the middle and at the end
// of a queue, cost the others nothing, and no turn is lost with one who gives up just
// when his comes.
func TestWhoLeavesTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		_ = turns.take(t.Context(), "busy")
		gone := errors.New("gone")
		left := 0
		var leave []context.CancelCauseFunc
		for _, address := range []string{"a", "a", "a", "b"} {
			ctx, cancel := context.WithCancelCause(t.Context())
			leave = append(leave, cancel)
			go func() {
				if err := turns.take(ctx, address); errors.Is(err, gone) {
					left++
				} else if err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		for _, i := range []int{1, 0, 3} {
			leave[i](gone)
			synctest.Wait()
		}
		if left != 3 || len(turns.order) != 1 || len(turns.queues["a"]) != 1 {
			t.Fatalf("%d have left: %+v", left, turns)
		}
		late := turns.queues["a"][0]
		turns.give()
		turns.leave("a", late) // as if it had not seen that its turn has come
		synctest.Wait()
		if turns.free != 1 {
			t.Errorf("a turn is lost: %+v", turns)
		}
		leave[2](gone)
	})
}

// TestAFloodFindsTheDoorShut: connections whose clients had left were kept until their
// turn came, and took the places of all others.
func TestAFloodFindsTheDoorShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(0)
		ctx, cancel := context.WithCancel(t.Context())
		for range maxWaiting {
			go func() { _ = turns.take(ctx, "flood") }()
		}
		synctest.Wait()
		if err := turns.take(ctx, "flood"); !errors.Is(err, ErrBusy) {
			t.Errorf("one more: %v", err)
		}
		go func() {
			if err := turns.take(ctx, "anna"); !errors.Is(err, context.Canceled) {
				t.Errorf("another address: %v", err)
			}
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if len(turns.queues) != 0 || len(turns.order) != 0 {
			t.Errorf("afterwards %d addresses wait, %d are in order", len(turns.queues), len(turns.order))
		}
	})
}
