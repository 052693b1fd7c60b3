package log

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// briskGroups has members of consumer groups heard of often, so that a test need not
// wait for their heartbeats.
func briskGroups(o *Options) {
	o.groups.ConsumerHeartbeat, o.groups.ConsumerSession = 50*time.Millisecond, 10*time.Second
}

// consumerGroup describes a group of the consumer protocol until it is as wanted.
func consumerGroup(t *testing.T, cl *kgo.Client, group string, wanted func(kmsg.ConsumerGroupDescribeResponseGroup) bool) kmsg.ConsumerGroupDescribeResponseGroup {
	t.Helper()
	ctx := within(t)
	for {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = []string{group}
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			t.Fatal(err)
		}
		if g := resp.Groups[0]; g.ErrorCode == 0 && wanted(g) {
			return g
		}
		if ctx.Err() != nil {
			t.Fatalf("the group is %+v", resp.Groups[0])
		}
		pause(ctx)
	}
}

func pause(ctx context.Context) {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
	}
}

// evenly is a stable group of some members with so many partitions each.
func evenly(members, each int) func(kmsg.ConsumerGroupDescribeResponseGroup) bool {
	return func(g kmsg.ConsumerGroupDescribeResponseGroup) bool {
		return g.State == "Stable" && len(g.Members) == members && !slices.ContainsFunc(g.Members, func(m kmsg.ConsumerGroupDescribeResponseGroupMember) bool {
			n := 0
			for _, tp := range m.Assignment.TopicPartitions {
				n += len(tp.Partitions)
			}
			return n != each
		})
	}
}

// collect polls clients until together they have got as many different records as
// wanted, and says how often each came.
func collect(t *testing.T, want int, clients ...*kgo.Client) map[string]int {
	t.Helper()
	ctx := within(t)
	got := map[string]int{}
	for len(got) < want {
		for _, cl := range clients {
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			fetches := cl.PollFetches(short)
			cancel()
			fetches.EachRecord(func(r *kgo.Record) { got[string(r.Value)]++ })
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records", len(got), want)
		}
	}
	return got
}

func TestConsumerGroupsShareAndGoOn(t *testing.T) {
	for name, balancer := range map[string]kgo.GroupBalancer{"uniform": kgo.StickyBalancer(), "range": kgo.RangeBalancer()} {
		t.Run(name, func(t *testing.T) {
			_, addr := newNode(t, briskGroups)
			createTopic(t, addr, "shared", 4, nil)
			join := func() *kgo.Client {
				return client(t, addr, kgo.ConsumerGroup("g"), kgo.ServerSideBalancer(), kgo.Balancers(balancer),
					kgo.ConsumeTopics("shared"), kgo.DisableAutoCommit())
			}
			first, watcher := join(), client(t, addr, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
			produce(t, watcher, "shared", numbered("a", 40)...)
			collect(t, 40, first)
			if err := first.CommitUncommittedOffsets(within(t)); err != nil {
				t.Fatal(err)
			}
			second := join()
			go drain(t, second)
			g := consumerGroup(t, watcher, "g", evenly(2, 2))
			if g.AssignorName != name {
				t.Errorf("the assignor is %s", g.AssignorName)
			}
			if listed := list(t, watcher, "consumer"); len(listed) != 1 || listed[0].GroupState != "Stable" || listed[0].GroupType != "consumer" {
				t.Errorf("listed as %+v", listed)
			}
			if listed := list(t, watcher, "classic"); len(listed) != 0 {
				t.Errorf("classic groups are %+v", listed)
			}
			first.Close()
			consumerGroup(t, watcher, "g", evenly(1, 4))
			second.Close()
			third := join()
			produce(t, watcher, "shared", numbered("b", 40)...)
			for value, n := range collect(t, 40, third) {
				if value[0] != 'b' || n != 1 {
					t.Errorf("%s came %d times after a commit", value, n)
				}
			}
		})
	}
}

// list are the groups of a type.
func list(t *testing.T, cl *kgo.Client, kind string) []kmsg.ListGroupsResponseGroup {
	t.Helper()
	req := kmsg.NewPtrListGroupsRequest()
	req.TypesFilter = []string{kind}
	resp, err := req.RequestWith(within(t), cl)
	if err != nil || resp.ErrorCode != 0 {
		t.Fatalf("list groups: %v, error %d", err, resp.ErrorCode)
	}
	return resp.Groups
}

// drain polls a client until it is closed, so that it gives up partitions when asked.
func drain(t *testing.T, cl *kgo.Client) {
	for {
		if fetches := cl.PollFetches(t.Context()); fetches.IsClientClosed() || t.Context().Err() != nil {
			return
		}
	}
}

func TestConsumerGroupByRegex(t *testing.T) {
	_, addr := newNode(t, briskGroups)
	createTopic(t, addr, "orders-eu", 1, nil)
	createTopic(t, addr, "invoices", 1, nil)
	cl := client(t, addr, kgo.ConsumerGroup("g"), kgo.ServerSideBalancer(), kgo.ConsumeRegex(), kgo.ConsumeTopics("orders-.*"))
	producer := client(t, addr)
	produce(t, producer, "invoices", "no")
	produce(t, producer, "orders-eu", "yes")
	if got := collect(t, 1, cl); got["yes"] != 1 {
		t.Errorf("got %v", got)
	}
	g := consumerGroup(t, producer, "g", evenly(1, 1))
	if m := g.Members[0]; m.SubscribedTopicRegex == nil || *m.SubscribedTopicRegex == "" {
		t.Errorf("the member subscribes to %v", m.SubscribedTopics)
	}
}

// A process with an instance id that stops and starts again gets what it had, and the
// others notice nothing.
func TestStaticConsumerComesBack(t *testing.T) {
	_, addr := newNode(t, briskGroups)
	createTopic(t, addr, "t", 4, nil)
	join := func(instance string) *kgo.Client {
		cl := client(t, addr, kgo.ConsumerGroup("g"), kgo.ServerSideBalancer(), kgo.ConsumeTopics("t"), kgo.InstanceID(instance))
		go drain(t, cl)
		return cl
	}
	watcher := client(t, addr)
	join("one")
	second := join("two")
	before := consumerGroup(t, watcher, "g", evenly(2, 2))
	second.Close()
	join("two")
	after := consumerGroup(t, watcher, "g", evenly(2, 2))
	if before.Epoch != after.Epoch {
		t.Errorf("the group went from epoch %d to %d", before.Epoch, after.Epoch)
	}
	if !maps.EqualFunc(byInstance(before), byInstance(after), slices.Equal[[]int32]) {
		t.Errorf("before %v, after %v", byInstance(before), byInstance(after))
	}
}

func byInstance(g kmsg.ConsumerGroupDescribeResponseGroup) map[string][]int32 {
	all := map[string][]int32{}
	for _, m := range g.Members {
		for _, tp := range m.Assignment.TopicPartitions {
			all[*m.InstanceID] = append(all[*m.InstanceID], tp.Partitions...)
		}
	}
	return all
}

// A deployment changes the protocol of its consumers process by process: the group
// moves when the first of the new ones comes and, when they are taken back, when the
// last of them goes. Everything is read on the way.
func TestGroupMovesBetweenProtocols(t *testing.T) {
	_, addr := newNode(t, briskGroups)
	createTopic(t, addr, "t", 4, nil)
	watcher := client(t, addr, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	opts := []kgo.Opt{kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.HeartbeatInterval(50 * time.Millisecond),
		kgo.AutoCommitInterval(100 * time.Millisecond), kgo.Balancers(kgo.CooperativeStickyBalancer())}
	old := client(t, addr, opts...)
	produce(t, watcher, "t", numbered("a", 40)...)
	collect(t, 40, old)

	modern := client(t, addr, append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))...)
	reading, stop := context.WithCancel(t.Context())
	polled := make(chan string, 1000)
	for _, cl := range []*kgo.Client{old, modern} {
		go func() {
			for reading.Err() == nil {
				cl.PollFetches(reading).EachRecord(func(r *kgo.Record) { polled <- string(r.Value) })
			}
		}()
	}
	defer stop()
	g := consumerGroup(t, watcher, "g", evenly(2, 2))
	if types := []int8{g.Members[0].MemberType, g.Members[1].MemberType}; types[0]+types[1] != 1 {
		t.Errorf("members of types %v", types)
	}
	produce(t, watcher, "t", numbered("b", 40)...)
	receive(t, polled, 'b', 40)

	modern.Close()
	ctx := within(t)
	for {
		described, err := kadm.NewClient(watcher).DescribeGroups(ctx, "g")
		if err != nil {
			t.Fatal(err)
		}
		if d := described["g"]; d.Err == nil && d.State == "Stable" && len(d.Members) == 1 {
			break
		}
		pause(ctx)
	}
	produce(t, watcher, "t", numbered("c", 40)...)
	receive(t, polled, 'c', 40)
}

// receive waits for so many different values with a prefix.
func receive(t *testing.T, values <-chan string, prefix byte, n int) {
	t.Helper()
	got := map[string]bool{}
	for ctx := within(t); len(got) < n; {
		select {
		case v := <-values:
			if v[0] == prefix {
				got[v] = true
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d values with %c", len(got), n, prefix)
		}
	}
}
