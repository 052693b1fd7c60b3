package log

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What an operator does with a client's admin library, from its own tables of errors and
// versions: sizes, elections, reassignments, features, and a transaction that hangs.
func TestOperatorsWork(t *testing.T) {
	_, addr := newNode(t)
	adm, ctx := admin(t, addr), within(t)
	createTopic(t, addr, "t", 1, nil)
	producer := client(t, addr, kgo.TransactionalID("stuck"))
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, producer, "t", "1", "2")
	set := kadm.TopicsSet{}
	set.Add("t", 0)

	dirs, err := adm.DescribeAllLogDirs(ctx, set)
	if size := dirs[1].Size(); err != nil || dirs[1].Error() != nil || size <= 0 {
		t.Errorf("sizes: %d bytes, %v", size, err)
	}
	elected, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
	if err != nil || !errors.Is(elected["t"][0].Err, kerr.ElectionNotNeeded) {
		t.Errorf("election: %v, %v", elected, err)
	}
	var move kadm.AlterPartitionAssignmentsReq
	move.Assign("t", 0, []int32{1})
	if moved, err := adm.AlterPartitionAssignments(ctx, move); err != nil || moved.Error() != nil {
		t.Errorf("to where it is: %v, %v", err, moved.Error())
	}
	if r, err := adm.ListPartitionReassignments(ctx, set); err != nil || len(r) != 0 {
		t.Errorf("under way: %v, %v", r, err)
	}
	if r, err := adm.UpdateFeatures(ctx, false, kadm.FeatureUpdate{Feature: "millrace.version", MaxVersionLevel: 1, UpgradeType: 1}); err != nil || r.Error() != nil {
		t.Errorf("features: %v, %v", err, r.Error())
	}
	if resources, err := adm.ListConfigResources(ctx); err != nil || len(resources.Resources) != 4 {
		t.Errorf("resources: %v, %v", resources, err)
	}

	described, err := adm.DescribeProducers(ctx, set)
	if err != nil {
		t.Fatal(err)
	}
	var holding int64 = -1
	described.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset >= 0 {
			holding = p.ProducerID
		}
	})
	listed, err := adm.ListTransactions(ctx, []int64{holding}, []string{"Ongoing"})
	if err != nil || len(listed) != 1 || listed["stuck"].ProducerID != holding {
		t.Fatalf("transactions of producer %d: %v, %v", holding, listed, err)
	}
	details, err := adm.DescribeTransactions(ctx, "stuck")
	if err != nil || details["stuck"].State != "Ongoing" || !details["stuck"].Topics.Lookup("t", 0) {
		t.Errorf("described: %+v, %v", details, err)
	}
	if ended := initProducer(dial(t, addr), 5, "stuck", -1, -1); ended.ErrorCode != 0 {
		t.Fatalf("the end by force: error %d", ended.ErrorCode)
	}
	if err := producer.EndTransaction(ctx, kgo.TryCommit); err == nil {
		t.Error("the producer that was fenced has committed")
	}
	if listed, err := adm.ListTransactions(ctx, nil, []string{"Ongoing"}); err != nil || len(listed) != 0 {
		t.Errorf("still under way: %v, %v", listed, err)
	}
}
