package log

import (
	"runtime"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// setQuota sets a quota of all client ids.
func setQuota(t testing.TB, addr, key string, value float64) {
	t.Helper()
	results, err := admin(t, addr).AlterClientQuotas(within(t), []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id"}}, Ops: []kadm.AlterClientQuotaOp{{Key: key, Value: value}},
	}})
	if err != nil || results[0].Err != nil {
		t.Fatal(err, results)
	}
}

// TestQuotasThroughAClient sets quotas of every kind of entity with a real admin
// client, finds them by filters, and removes them.
func TestQuotasThroughAClient(t *testing.T) {
	_, addr := newNode(t)
	cl := admin(t, addr)
	ada, app, ip := "ada", "app", "10.0.0.1"
	user := kadm.ClientQuotaEntityComponent{Type: "user", Name: &ada}
	entities := []kadm.ClientQuotaEntity{
		{user}, {user, {Type: "client-id", Name: &app}}, {user, {Type: "client-id"}}, {{Type: "client-id", Name: &app}}, {{Type: "user"}},
	}
	var entries []kadm.AlterClientQuotaEntry
	for i, e := range entities {
		entries = append(entries, kadm.AlterClientQuotaEntry{Entity: e, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: float64(i + 1)}}})
	}
	entries = append(entries, kadm.AlterClientQuotaEntry{
		Entity: kadm.ClientQuotaEntity{{Type: "ip", Name: &ip}}, Ops: []kadm.AlterClientQuotaOp{{Key: "connection_creation_rate", Value: 6}},
	})
	results, err := cl.AlterClientQuotas(within(t), entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("%v: %v", r.Entity, r.Err)
		}
	}
	exact := func(kind, name string) kadm.DescribeClientQuotaComponent {
		return kadm.DescribeClientQuotaComponent{Type: kind, MatchName: &name, MatchType: kmsg.QuotasMatchTypeExact}
	}
	any := func(kind string) kadm.DescribeClientQuotaComponent {
		return kadm.DescribeClientQuotaComponent{Type: kind, MatchType: kmsg.QuotasMatchTypeAny}
	}
	standard := func(kind string) kadm.DescribeClientQuotaComponent {
		return kadm.DescribeClientQuotaComponent{Type: kind, MatchType: kmsg.QuotasMatchTypeDefault}
	}
	for name, c := range map[string]struct {
		strict bool
		filter []kadm.DescribeClientQuotaComponent
		want   []float64
	}{
		"all":              {false, nil, []float64{1, 2, 3, 4, 5, 6}},
		"nothing":          {true, nil, nil},
		"ada":              {false, []kadm.DescribeClientQuotaComponent{exact("user", "ada")}, []float64{1, 2, 3}},
		"ada alone":        {true, []kadm.DescribeClientQuotaComponent{exact("user", "ada")}, []float64{1}},
		"ada's app":        {true, []kadm.DescribeClientQuotaComponent{exact("user", "ada"), exact("client-id", "app")}, []float64{2}},
		"ada's default":    {true, []kadm.DescribeClientQuotaComponent{exact("user", "ada"), standard("client-id")}, []float64{3}},
		"users' clients":   {true, []kadm.DescribeClientQuotaComponent{any("user"), any("client-id")}, []float64{2, 3}},
		"any user":         {true, []kadm.DescribeClientQuotaComponent{any("user")}, []float64{1, 5}},
		"the default user": {false, []kadm.DescribeClientQuotaComponent{standard("user")}, []float64{5}},
		"addresses":        {true, []kadm.DescribeClientQuotaComponent{any("ip")}, []float64{6}},
		"eve":              {false, []kadm.DescribeClientQuotaComponent{exact("user", "eve")}, nil},
	} {
		found, err := cl.DescribeClientQuotas(within(t), c.strict, c.filter)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := map[float64]bool{}
		for _, f := range found {
			got[f.Values[0].Value] = true
		}
		for _, v := range c.want {
			if !got[v] || len(got) != len(c.want) {
				t.Errorf("%s: found %v, want %v", name, got, c.want)
				break
			}
		}
		if len(c.want) == 0 && len(got) > 0 {
			t.Errorf("%s: found %v", name, got)
		}
	}
	for name, filter := range map[string][]kadm.DescribeClientQuotaComponent{
		"twice":        {exact("user", "a"), any("user")},
		"mixed":        {exact("user", "a"), any("ip")},
		"without name": {{Type: "user", MatchType: kmsg.QuotasMatchTypeExact}},
		"unknown type": {any("group")},
	} {
		if found, err := cl.DescribeClientQuotas(within(t), false, filter); err == nil {
			t.Errorf("%s: found %v", name, found)
		}
	}
	for i := range entries {
		entries[i].Ops[0].Remove = true
	}
	if _, err := cl.AlterClientQuotas(within(t), entries); err != nil {
		t.Fatal(err)
	}
	if left, err := cl.DescribeClientQuotas(within(t), false, nil); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// throttled is a client's hook that notes what it is told.
type throttled struct {
	mu   sync.Mutex
	told []time.Duration
	some chan struct{}
}

func (h *throttled) OnBrokerThrottle(_ kgo.BrokerMetadata, wait time.Duration, after bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told = append(h.told, wait); after && len(h.told) == 1 {
		close(h.some)
	}
}

// TestClientsSeeThrottling has a real producer and a real consumer use more than their
// quota: they are told so, in versions whose clients wait (KIP-219), and the records
// are there nevertheless.
func TestClientsSeeThrottling(t *testing.T) {
	n, addr := newNode(t)
	createTopic(t, addr, "orders", 1, nil)
	plain := kgo.ProducerBatchCompression(kgo.NoCompression())
	produce(t, client(t, addr, plain), "orders", string(make([]byte, 20_000)))
	for _, c := range []struct {
		quota, api string
		use        func(*kgo.Client)
	}{
		{"consumer_byte_rate", "Fetch", func(cl *kgo.Client) {
			cl.AddConsumeTopics("orders")
			consume(t, cl, 1)
		}},
		{"producer_byte_rate", "Produce", func(cl *kgo.Client) {
			r := &kgo.Record{Topic: "orders", Value: make([]byte, 20_000)}
			if err := cl.ProduceSync(within(t), r).FirstErr(); err != nil {
				t.Error(err)
			}
		}},
	} {
		setQuota(t, addr, c.quota, 1000)
		hook := &throttled{some: make(chan struct{})}
		c.use(client(t, addr, kgo.WithHooks(hook), kgo.ClientID("heavy"), plain,
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
		select {
		case <-hook.some:
		case <-within(t).Done():
			t.Fatalf("%s: the client was never told to wait", c.quota)
		}
		// The counter moves once the answer has left, so a scrape may come before it.
		for ctx := within(t); countThrottled(scrape(t, n), c.api) == 0; runtime.Gosched() {
			if ctx.Err() != nil {
				t.Fatalf("%s: no request was counted as throttled", c.quota)
			}
		}
	}
}

// countThrottled is how many requests of an API were throttled.
func countThrottled(scraped map[string]*dto.MetricFamily, api string) float64 {
	for _, m := range scraped["millrace_throttled_requests_total"].GetMetric() {
		if m.Label[0].GetValue() == api {
			return m.Counter.GetValue()
		}
	}
	return 0
}

// TestMutationsAreRefused makes and deletes partitions beyond the quota (KIP-599): new
// versions are refused with a code of its own and nothing happens, old ones are done
// and told to wait. What fails for another reason costs nothing.
func TestMutationsAreRefused(t *testing.T) {
	n, addr := newNode(t)
	create := func(version int16, topic string, partitions int32, validate bool) (int16, int32) {
		t.Helper()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, partitions, 1
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Topics, req.ValidateOnly, req.TimeoutMillis = []kmsg.CreateTopicsRequestTopic{rt}, validate, 10_000
		resp := ask[*kmsg.CreateTopicsResponse](dial(t, addr), version, req)
		return resp.Topics[0].ErrorCode, resp.ThrottleMillis
	}
	setQuota(t, addr, "controller_mutation_rate", 0.01) // a tenth of a partition at once; more within the debt
	quotaExceeded := kerr.ThrottlingQuotaExceeded.Code
	if code, wait := create(7, "first", 5, false); code != 0 || wait != 0 {
		t.Errorf("the first: code %d, wait %d", code, wait)
	}
	if code, wait := create(7, "second", 1, false); code != quotaExceeded || wait < 1000 {
		t.Errorf("the second: code %d, wait %d", code, wait)
	}
	if code, _ := create(7, "second", 1, true); code != 0 {
		t.Errorf("validating alone: code %d", code)
	}
	if code, wait := create(5, "old", 1, false); code != 0 || wait < 1000 {
		t.Errorf("an old version: code %d, wait %d", code, wait)
	}
	more := kmsg.NewCreatePartitionsRequestTopic()
	more.Topic, more.Count = "first", 9
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.Topics, grow.TimeoutMillis = []kmsg.CreatePartitionsRequestTopic{more}, 10_000
	if resp := ask[*kmsg.CreatePartitionsResponse](dial(t, addr), 3, grow); resp.Topics[0].ErrorCode != quotaExceeded {
		t.Errorf("more partitions: code %d", resp.Topics[0].ErrorCode)
	}
	drop := kmsg.NewPtrDeleteTopicsRequest()
	drop.TopicNames, drop.TimeoutMillis = []string{"first"}, 10_000
	if resp := ask[*kmsg.DeleteTopicsResponse](dial(t, addr), 5, drop); resp.Topics[0].ErrorCode != quotaExceeded {
		t.Errorf("deletion: code %d", resp.Topics[0].ErrorCode)
	}
	im := n.meta.Image()
	if im.TopicByName("second") != nil || im.TopicByName("old") == nil || len(im.TopicByName("first").Partitions) != 5 {
		t.Error("what was refused has happened, or the other way round")
	}
}
