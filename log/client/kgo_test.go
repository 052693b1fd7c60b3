package client

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// unfinalize takes transaction.version=2 back, as in a cluster that was upgraded
// and whose operator has not raised it yet.
func unfinalize(t *testing.T, fake *kfake.Cluster) {
	t.Helper()
	req := kmsg.NewPtrUpdateFeaturesRequest()
	f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	f.Feature, f.MaxVersionLevel, f.AllowDowngrade, f.UpgradeType = "transaction.version", 0, true, 2
	req.FeatureUpdates = append(req.FeatureUpdates, f)
	resp, err := req.RequestWith(testContext(t), kgoClient(t, fake))
	if err != nil || resp.ErrorCode != 0 {
		t.Fatalf("lower transaction.version: %+v, %v", resp, err)
	}
}

// TestOldTransactionsInANewCluster: the brokers know the versions of the new
// transactions, but these are not in effect. The highest version of a request
// would mix both protocols.
func TestOldTransactionsInANewCluster(t *testing.T) {
	fake, cluster := fakeKafka(t, kfake.SeedTopics(2, "in", "out"))
	unfinalize(t, fake)
	var mu sync.Mutex
	highest := map[int16]int16{}
	fake.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		highest[req.Key()] = max(highest[req.Key()], req.GetVersion())
		return nil, nil, false
	})
	c, ctx := newTestClient(cluster), testContext(t)
	p := newTxn(t, c, "txn")
	for i, commit := range []bool{true, false, true} {
		if err := p.Append("out", 0, 0, nil, []byte{byte('a' + i)}); err != nil {
			t.Fatal(err)
		}
		at := map[TopicPartition]Committed{{"in", 0}: {Offset: int64(i), LeaderEpoch: -1}}
		if err := p.CommitOffsets(ctx, GroupMeta{Group: "g", Generation: -1}, at); err != nil {
			t.Fatal(err)
		}
		if err := p.End(ctx, commit); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := readAll(t, c, ReadCommitted, TopicPartition{"out", 0}, 0); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("read %v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	for key, below := range map[int16]int16{0: produceV2, 26: endTxnV2, 28: txnOffsetCommitV2} {
		if v, sent := highest[key]; !sent || v >= below {
			t.Errorf("%s was sent in version %d, want below %d", kmsg.NameForKey(key), v, below)
		}
	}
	if _, sent := highest[24]; !sent {
		t.Error("no partition was added to a transaction")
	}
}

func TestProduceWithoutAcksIsRefused(t *testing.T) {
	_, cluster := fakeKafka(t)
	req := kmsg.NewPtrProduceRequest()
	req.Acks = 0
	if _, err := cluster.Broker(0).Request(testContext(t), req); err == nil || !strings.Contains(err.Error(), "acks=0") {
		t.Fatalf("got %v", err)
	}
}

// TestLentBytesAreGivenBack: once the call has returned, an encoding that begins
// late must not touch the records.
func TestLentBytesAreGivenBack(t *testing.T) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 9
	topic := kmsg.NewProduceRequestTopic()
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = []byte("SECRET")
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	lent := &lentProduce{ProduceRequest: req, max: 13}
	if !strings.Contains(string(lent.AppendTo(nil)), "SECRET") {
		t.Fatal("the records are not in the request")
	}
	lent.giveBack()
	late := lent.AppendTo(nil)
	if strings.Contains(string(late), "SECRET") {
		t.Error("the records are read after the call")
	}
	read := kmsg.NewPtrProduceRequest()
	read.Version = 9
	if err := read.ReadFrom(late); err != nil || len(read.Topics) != 0 {
		t.Errorf("the late request is %+v, %v", read, err)
	}
}
