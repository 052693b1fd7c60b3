package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/millrace/millrace/log"
)

func newTestGroup(c *Client, instance string) *Group {
	return c.NewGroup(GroupOptions{Group: "g", Instance: instance, Topics: []string{"in", "missing"}, Heartbeat: 20 * time.Millisecond, SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second})
}

func held(gen *Generation) []string {
	var all []string
	for _, tp := range gen.Partitions {
		all = append(all, tp.String())
	}
	slices.Sort(all)
	return all
}

func TestGroupAlone(t *testing.T) {
	eachCluster(t, topics{"in": 3}, groupAlone)
}

func groupAlone(t *testing.T, cluster Cluster) {
	c, ctx := newTestClient(cluster), testContext(t)
	for _, instance := range []string{"", "one"} {
		t.Run("instance "+instance, func(t *testing.T) {
			g := newTestGroup(c, instance)
			gen, err := g.Join(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got := held(gen); !slices.Equal(got, []string{"in/0", "in/1", "in/2"}) || !gen.Leader || gen.Err() != nil {
				t.Fatalf("holds %v, leader %v, %v", got, gen.Leader, gen.Err())
			}
			offsets := map[TopicPartition]Committed{{"in", 0}: {Offset: 1, LeaderEpoch: -1}}
			if err := c.CommitOffsets(ctx, gen.GroupMeta, offsets); err != nil {
				t.Fatal(err)
			}
			stale := gen.GroupMeta
			stale.Generation--
			if err := c.CommitOffsets(ctx, stale, offsets); !errors.Is(err, ErrGeneration) {
				t.Fatalf("a commit of an older generation: %v", err)
			}
			if err := g.Leave(ctx); err != nil {
				t.Fatal(err)
			}
			<-gen.Lost()
			if _, err := g.Join(ctx); !errors.Is(err, ErrClosed) {
				t.Fatalf("join after Leave: %v", err)
			}
		})
	}
}

// TestStaticMemberReturns: a worker that restarts within its session has its
// partitions back at once, and its earlier life is fenced.
func TestStaticMemberReturns(t *testing.T) {
	eachCluster(t, topics{"in": 2}, staticMemberReturns)
}

func staticMemberReturns(t *testing.T, cluster Cluster) {
	c, ctx := newTestClient(cluster), testContext(t)
	first := newTestGroup(c, "worker")
	gen, err := first.Join(ctx)
	if err != nil {
		t.Fatal(err)
	}
	second := newTestGroup(c, "worker")
	again, err := second.Join(ctx)
	if err != nil || !slices.Equal(held(again), held(gen)) {
		t.Fatalf("came back to %v, %v", again, err)
	}
	<-gen.Lost()
	if !errors.Is(gen.Err(), ErrFenced) && !errors.Is(gen.Err(), kerr.UnknownMemberID) {
		t.Fatalf("the first life lost its generation by %v", gen.Err())
	}
	txn := newTxn(t, c, "worker")
	at := map[TopicPartition]Committed{{"in", 0}: {Offset: 1, LeaderEpoch: -1}}
	if err := txn.CommitOffsets(ctx, gen.GroupMeta, at); !errors.Is(err, ErrFenced) && !errors.Is(err, ErrGeneration) {
		t.Fatalf("the first life commits offsets: %v", err)
	}
	if err := txn.End(ctx, false); err != nil && !errors.Is(err, ErrFenced) {
		t.Fatal(err)
	}
	if err := txn.Init(ctx); err != nil {
		t.Fatal(err)
	}
	if err := txn.CommitOffsets(ctx, again.GroupMeta, at); err != nil {
		t.Fatal(err)
	}
	if err := txn.End(ctx, true); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestGroupRebalances: members come and go; whenever all stand in one generation,
// their parts are disjoint and complete.
func TestGroupRebalances(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		fake, cluster := fakeKafka(t, kfake.SeedTopics(5, "in"))
		// Joins wait in line on a connection: two members, two clients.
		groupRebalances(t, newTestClient(cluster), newTestClient(FromKgo(kgoClient(t, fake))))
	})
	t.Run("session", func(t *testing.T) {
		c := newTestClient(openNode(t).Session(log.SessionOptions{}))
		if err := c.EnsureTopics(testContext(t), TopicSpec{Name: "in", Partitions: 5}); err != nil {
			t.Fatal(err)
		}
		groupRebalances(t, c, c)
	})
}

func groupRebalances(t *testing.T, c, other *Client) {
	ctx := testContext(t)
	a, b := newTestGroup(c, ""), newTestGroup(other, "")
	alone, err := a.Join(ctx)
	if err != nil {
		t.Fatal(err)
	}
	gens := joinBoth(t, ctx, alone, a, b)
	all := append(held(gens[0]), held(gens[1])...)
	slices.Sort(all)
	if fmt.Sprint(all) != "[in/0 in/1 in/2 in/3 in/4]" {
		t.Fatalf("together they hold %v", all)
	}
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	<-gens[0].Lost()
	if !errors.Is(gens[0].Err(), ErrRebalance) {
		t.Fatalf("lost by %v", gens[0].Err())
	}
	last, err := a.Join(ctx)
	if err != nil || len(last.Partitions) != 5 {
		t.Fatalf("alone again with %v, %v", last, err)
	}
	if err := a.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// joinBoth rejoins a and enters b until both are in one generation.
func joinBoth(t *testing.T, ctx context.Context, alone *Generation, a, b *Group) [2]*Generation {
	var gens [2]*Generation
	var joins sync.WaitGroup
	enter := func(i int, g *Group) {
		joins.Go(func() {
			gen, err := g.Join(ctx)
			if err != nil {
				t.Error(err)
			}
			gens[i] = gen
		})
	}
	enter(1, b)
	select {
	case <-alone.Lost():
	case <-ctx.Done():
		t.Fatal("the newcomer caused no rebalance")
	}
	enter(0, a)
	joins.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for gens[0].GroupMeta.Generation != gens[1].GroupMeta.Generation {
		older := 0
		if gens[1].GroupMeta.Generation < gens[0].GroupMeta.Generation {
			older = 1
		}
		enter(older, [2]*Group{a, b}[older])
		joins.Wait()
	}
	return gens
}

func TestRoundRobin(t *testing.T) {
	members := []GroupMember{{ID: "z", Topics: []string{"a", "b"}}, {ID: "y", Topics: []string{"a"}}}
	plan, err := RoundRobin().Assign(members, map[string]int32{"a": 3, "b": 1})
	if err != nil || fmt.Sprint(plan["y"].Partitions) != "[a/0 a/2]" || fmt.Sprint(plan["z"].Partitions) != "[a/1 b/0]" {
		t.Fatalf("planned %v, %v", plan, err)
	}
}

func TestSubscriptionAndAssignmentRoundTrip(t *testing.T) {
	a := Assignment{Partitions: []TopicPartition{{"a", 1}, {"a", 0}, {"b", 7}}, UserData: []byte("u")}
	got, err := readAssignment(a.wire())
	if err != nil || fmt.Sprint(got) != fmt.Sprint(a) {
		t.Fatalf("read %v, %v", got, err)
	}
	if _, err := readAssignment([]byte{0, 1, 0xff}); err == nil {
		t.Error("a cut assignment was read")
	}
	if got, err := readAssignment(nil); err != nil || len(got.Partitions) != 0 {
		t.Errorf("an empty assignment gave %v, %v", got, err)
	}
}
