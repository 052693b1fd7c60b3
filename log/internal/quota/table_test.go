package quota

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestPrecedence sets quotas from the weakest to the strongest and looks who counts
// after each, then takes them away again.
func TestPrecedence(t *testing.T) {
	ada := Client{User: "ada", ID: "app", IP: "10.0.0.1"}
	rising := []struct {
		entity Entity
		shared Client
	}{
		{Entity{ClientID: Default}, Client{ID: "app"}},
		{Entity{ClientID: Named("app")}, Client{ID: "app"}},
		{Entity{User: Default}, Client{User: "ada"}},
		{Entity{User: Default, ClientID: Default}, Client{User: "ada", ID: "app"}},
		{Entity{User: Default, ClientID: Named("app")}, Client{User: "ada", ID: "app"}},
		{Entity{User: Named("ada")}, Client{User: "ada"}},
		{Entity{User: Named("ada"), ClientID: Default}, Client{User: "ada", ID: "app"}},
		{Entity{User: Named("ada"), ClientID: Named("app")}, Client{User: "ada", ID: "app"}},
	}
	var table *Table
	check := func(i int) {
		t.Helper()
		limit, shared, ok := table.Find(ProducerByteRate, ada)
		if i < 0 {
			if ok {
				t.Fatalf("a limit of %v is left", limit)
			}
			return
		}
		if !ok || limit != float64(i) || shared != rising[i].shared {
			t.Fatalf("with %v: limit %v shared by %+v, %v", rising[i].entity, limit, shared, ok)
		}
		if _, _, ok := table.Find(ConsumerByteRate, ada); ok {
			t.Fatal("another key is limited too")
		}
	}
	for i, r := range rising {
		if err := r.entity.CheckValue(ProducerByteRate, float64(i)); err != nil {
			t.Fatal(err)
		}
		before := table
		table = table.With(Change{Entity: r.entity, Key: ProducerByteRate, Value: float64(i)})
		check(i)
		if before.Len() != i {
			t.Fatalf("a change of a table changed the one before: %d entities", before.Len())
		}
	}
	for i, r := range slices.Backward(rising) {
		table = table.With(Change{Entity: r.entity, Key: ProducerByteRate, Remove: true})
		check(i - 1)
	}
	if table != nil {
		t.Errorf("an empty table is %+v", table)
	}
}

func TestOthersHaveNoQuota(t *testing.T) {
	table := (*Table)(nil).With(Change{Entity: Entity{User: Named("ada")}, Key: ProducerByteRate, Value: 1},
		Change{Entity: Entity{IP: Named("10.0.0.1")}, Key: ConnectionCreationRate, Value: 2},
		Change{Entity: Entity{IP: Default}, Key: ConnectionCreationRate, Value: 3})
	if _, _, ok := table.Find(ProducerByteRate, Client{User: "eve", ID: "ada"}); ok {
		t.Error("eve is limited by ada's quota")
	}
	for ip, want := range map[string]float64{"10.0.0.1": 2, "10.0.0.2": 3} {
		limit, shared, ok := table.Find(ConnectionCreationRate, Client{IP: ip})
		if !ok || limit != want || shared.IP != ip {
			t.Errorf("%s: %v, %v, %v", ip, limit, shared, ok)
		}
	}
}

// TestLongNames has clients whose names begin as a quota's name does, which is as long
// as names of quotas get.
func TestLongNames(t *testing.T) {
	longest := strings.Repeat("x", maxName)
	table := (*Table)(nil).With(Change{Entity: Entity{ClientID: Named(longest)}, Key: ProducerByteRate, Value: 1})
	for id, want := range map[string]bool{longest: true, longest + "y": false, longest + strings.Repeat("y", 1<<20): false} {
		c := NewClient("u", id, "::1")
		if _, _, ok := table.Find(ProducerByteRate, c); ok != want || len(c.ID) > maxName+1 {
			t.Errorf("a client id of %d bytes has %d, limited: %v", len(id), len(c.ID), ok)
		}
	}
}

func TestChecks(t *testing.T) {
	user, ip := Entity{User: Named("ada")}, Entity{IP: Named("::1")}
	for _, e := range []Entity{user, ip, {User: Default, ClientID: Named("a")}, {IP: Default}, {ClientID: Default}} {
		if err := e.Check(); err != nil {
			t.Errorf("%v: %v", e, err)
		}
	}
	for _, e := range []Entity{{}, {User: Named("")}, {ClientID: Named(strings.Repeat("x", maxName+1))}, {IP: Named("localhost")},
		{User: Default, IP: Default}, {ClientID: Named("a"), IP: Named("::1")}} {
		if e.Check() == nil {
			t.Errorf("%v is accepted", e)
		}
	}
	for _, c := range []struct {
		e     Entity
		key   Key
		value float64
		ok    bool
	}{
		{user, ProducerByteRate, 1 << 20, true}, {user, ProducerByteRate, 0.5, false}, {user, RequestPercentage, 0.5, true},
		{user, ConsumerByteRate, -1, false}, {user, ConsumerByteRate, math.NaN(), false}, {user, ConsumerByteRate, math.Inf(1), false},
		{user, ConsumerByteRate, 1e300, false}, {user, ConnectionCreationRate, 1, false}, {user, "leader_rate", 1, false},
		{ip, ConnectionCreationRate, 0, true}, {ip, ConnectionCreationRate, 1 << 31, false}, {ip, ProducerByteRate, 1, false},
	} {
		if err := c.e.CheckValue(c.key, c.value); (err == nil) != c.ok {
			t.Errorf("%v %s=%v: %v", c.e, c.key, c.value, err)
		}
	}
}

func TestAllInOrder(t *testing.T) {
	table := (*Table)(nil).With(Change{Entity: Entity{User: Named("b")}, Key: RequestPercentage, Value: 1},
		Change{Entity: Entity{User: Named("a")}, Key: ProducerByteRate, Value: 2},
		Change{Entity: Entity{User: Named("a")}, Key: ConsumerByteRate, Value: 3},
		Change{Entity: Entity{User: Default}, Key: ProducerByteRate, Value: 4})
	var got []string
	for e := range table.All() {
		for key, value := range table.Values(e) {
			got = append(got, fmt.Sprintf("%v: %s=%v", e, key, value))
		}
	}
	want := []string{"user <default>: producer_byte_rate=4", "user a: consumer_byte_rate=3", "user a: producer_byte_rate=2", "user b: request_percentage=1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func BenchmarkFindNone(b *testing.B) {
	var table *Table
	for b.Loop() {
		table.Find(ProducerByteRate, Client{User: "ada", ID: "app"})
	}
}

func BenchmarkFindLast(b *testing.B) {
	table := (*Table)(nil).With(Change{Entity: Entity{ClientID: Default}, Key: ProducerByteRate, Value: 1}).With(Change{Entity: Entity{User: Named("x")}, Key: ProducerByteRate, Value: 1})
	b.ReportAllocs()
	for b.Loop() {
		table.Find(ProducerByteRate, Client{User: "ada", ID: "app"})
	}
}
