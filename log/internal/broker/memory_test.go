package broker

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestMemoryServesInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(100)
		first, err := m.take(t.Context(), 80)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, w := range []struct {
			name string
			size int64
		}{{"large", 95}, {"small", 10}} {
			go func() {
				l, err := m.take(t.Context(), w.size)
				if err != nil {
					t.Error(err)
				}
				order = append(order, w.name)
				l.release()
			}()
			synctest.Wait() // the next one queues behind
		}
		if len(order) != 0 {
			t.Fatalf("%v went ahead of a full budget", order)
		}
		first.shrink(50) // 50 free: too little for the large one, and the small one waits its turn
		synctest.Wait()
		if len(order) != 0 {
			t.Fatalf("%v overtook the large loan", order)
		}
		first.release()
		synctest.Wait()
		if len(order) != 2 || order[0] != "large" || m.free != 100 {
			t.Fatalf("served %v, %d bytes free; want both and 100", order, m.free)
		}
	})
}

func TestMemoryAbandonedWaitLetsTheNextOneThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(100)
		held, _ := m.take(t.Context(), 80)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := m.take(ctx, 90); err == nil {
				t.Error("a cancelled wait was granted")
			}
		}()
		synctest.Wait()
		served := false
		go func() {
			l, err := m.take(t.Context(), 15)
			served = err == nil
			l.release()
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !served {
			t.Fatal("the small loan still waits behind an abandoned one")
		}
		held.release()
		held.release() // twice is harmless
		if m.free != 100 {
			t.Fatalf("%d bytes free, want 100", m.free)
		}
	})
}

func TestMemoryRefusesMoreThanThereIs(t *testing.T) {
	m := newMemory(100)
	if _, err := m.take(t.Context(), 101); err == nil {
		t.Fatal("a loan beyond the budget was accepted")
	}
}

// A reader gets less when memory is short, not nothing, and waits only when there is
// hardly any.
func TestMemoryTakeSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(8 << 20)
		whole, err := m.takeSome(t.Context(), 6<<20)
		if err != nil || whole.size != 6<<20 {
			t.Fatalf("%d bytes, %v", whole.size, err)
		}
		less, err := m.takeSome(t.Context(), 6<<20)
		if err != nil || less.size != 3<<19 {
			t.Fatalf("with 2 MiB free: %d bytes, %v", less.size, err)
		}
		rest, _ := m.tryTake(m.free)
		waited := false
		go func() {
			l, err := m.takeSome(t.Context(), 6<<20)
			waited = err == nil && l.size == smallLoan
			l.release()
		}()
		synctest.Wait()
		if waited {
			t.Fatal("got memory that is not there")
		}
		whole.release()
		synctest.Wait()
		if !waited {
			t.Fatal("still waits")
		}
		less.release()
		rest.release()
		if m.free != 8<<20 {
			t.Fatalf("%d bytes are free at the end", m.free)
		}
	})
}
