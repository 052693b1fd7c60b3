package quota

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

var (
	ada   = Client{User: "ada"}
	aRate = (*Table)(nil).With(Change{Entity: Entity{User: Named("ada")}, Key: ProducerByteRate, Value: 1000})
)

// TestRateOverTime has a client that waits as it is told, in requests of many sizes:
// after its burst it gets exactly its rate.
func TestRateOverTime(t *testing.T) {
	for _, size := range []float64{10, 999, 25_000} {
		synctest.Test(t, func(t *testing.T) {
			var l Limiter
			began, used := time.Now(), 0.0
			for time.Since(began) < 10*time.Minute {
				used += size
				time.Sleep(l.Charge(aRate, ProducerByteRate, ada, size))
			}
			allowed := 1000 * (burst + time.Since(began).Seconds())
			if used > allowed+1 || used < allowed-size-2000 { // a client is asked to wait in whole milliseconds
				t.Errorf("requests of %v: used %v in %v, allowed %v", size, used, time.Since(began), allowed)
			}
		})
	}
}

// TestWaitIsKafkas compares with Kafka's formula X = (O-T)/T*W for a client that has
// used n in one go.
func TestWaitIsKafkas(t *testing.T) {
	for _, n := range []float64{100, 10_000, 10_001, 15_000, 20_000} {
		synctest.Test(t, func(t *testing.T) {
			var l Limiter
			const limit, window = 1000.0, burst
			observed := n / window
			want := max(0, (observed-limit)/limit*window)
			got := l.Charge(aRate, ProducerByteRate, ada, n)
			if math.Abs(got.Seconds()-want) > 0.001 {
				t.Errorf("%v bytes at once: wait %v, want %vs", n, got, want)
			}
		})
	}
}

func TestDebtIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		if wait := l.Charge(aRate, ProducerByteRate, ada, 1e12); wait != MaxThrottle {
			t.Errorf("wait %v", wait)
		}
		time.Sleep(MaxThrottle)
		if wait := l.Charge(aRate, ProducerByteRate, ada, 0); wait != 0 {
			t.Errorf("after it, wait %v more", wait)
		}
		zero := aRate.With(Change{Entity: Entity{User: Named("ada")}, Key: ProducerByteRate, Value: 0})
		if wait := l.Charge(zero, ProducerByteRate, ada, 1); wait != MaxThrottle {
			t.Errorf("with a quota of 0, wait %v", wait)
		}
		share := (*Table)(nil).With(Change{Entity: Entity{User: Default}, Key: RequestPercentage, Value: 1})
		if wait := l.Charge(share, RequestPercentage, ada, 1e6); wait != time.Second {
			t.Errorf("for the request quota, wait %v", wait)
		}
	})
}

// TestAdmitIsStrict lets a client that owes nothing go far over its limit, once, and
// charges nothing for what was refused (KIP-599).
func TestAdmitIsStrict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := (*Table)(nil).With(Change{Entity: Entity{User: Default}, Key: ControllerMutationRate, Value: 1})
		var l Limiter
		if wait := l.Admit(table, ControllerMutationRate, ada, burst+5); wait != 0 {
			t.Fatalf("the first was refused for %v", wait)
		}
		for range 3 {
			if wait := l.Admit(table, ControllerMutationRate, ada, 100); wait != 5*time.Second {
				t.Fatalf("the next is refused for %v", wait)
			}
		}
		l.Refund(table, ControllerMutationRate, ada, 5)
		if wait := l.Admit(table, ControllerMutationRate, ada, 1); wait != 0 {
			t.Errorf("after a refund it is refused for %v", wait)
		}
	})
}

// TestInventedClientsShare invents client ids until the limiter forgets none any more.
func TestInventedClientsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := (*Table)(nil).With(Change{Entity: Entity{ClientID: Default}, Key: ProducerByteRate, Value: 1})
		var l Limiter
		for i := range maxBuckets {
			l.Charge(table, ProducerByteRate, Client{ID: fmt.Sprint(i)}, 5)
		}
		l.Charge(table, ProducerByteRate, Client{ID: "one more"}, burst)
		if wait := l.Charge(table, ProducerByteRate, Client{ID: "and more"}, 1); wait != time.Second {
			t.Errorf("the second client beyond the bound waits %v: does it have a bucket of its own?", wait)
		}
		time.Sleep(time.Minute) // all buckets are full again
		if wait := l.Charge(table, ProducerByteRate, Client{ID: "later"}, burst); wait != 0 || len(l.buckets) != 1 {
			t.Errorf("a minute later a new client waits %v among %d buckets", wait, len(l.buckets))
		}
	})
}

func BenchmarkCharge(b *testing.B) {
	var l Limiter
	b.ReportAllocs()
	for b.Loop() {
		l.Charge(aRate, ProducerByteRate, ada, 1)
	}
}
