package log

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/internal/vfs"
)

// as is a client who authenticates.
func as(t *testing.T, addr, user string, opts ...kgo.Opt) *kgo.Client {
	return client(t, addr, append(opts, kgo.SASL(scram.Auth{User: user, Pass: user + "'s secret"}.AsSha256Mechanism()))...)
}

// TestTwoUsers plays a day: an administrator gives two users rights through kadm, with
// prefixes and a denial; each does what it may, is told what it may not, and sees no
// more than that; a denial comes, a right goes, both count at once.
func TestTwoUsers(t *testing.T) {
	n := openNode(t, vfs.NewMem(), func(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:admin"} })
	for _, user := range []string{"admin", "shop", "billing"} {
		if _, err := n.AddUser(t.Context(), user, user+"'s secret"); err != nil {
			t.Fatal(err)
		}
	}
	l, err := n.ListenOn(ListenerOptions{Address: "127.0.0.1:0", SASL: &SASLOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(t.Context()) }()
	t.Cleanup(func() { closeNode(t, n); <-served })
	addr, ctx := l.Addr(), within(t)

	adm := kadm.NewClient(as(t, addr, "admin"))
	for _, topic := range []string{"shop-orders", "shop-secret", "books"} {
		if _, err := adm.CreateTopic(ctx, 1, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	create := func(b *kadm.ACLBuilder) {
		t.Helper()
		results, err := adm.CreateACLs(ctx, b)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		if err != nil || len(results) == 0 {
			t.Fatal(err, results)
		}
	}
	create(kadm.NewACLs().Allow("User:shop").AllowHosts().Topics("shop-").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite))
	create(kadm.NewACLs().Allow("User:shop").AllowHosts().TransactionalIDs("shop-").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpWrite))
	create(kadm.NewACLs().Allow("User:billing").AllowHosts().Topics("shop-").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpRead))
	create(kadm.NewACLs().Deny("User:billing").DenyHosts().Topics("shop-secret").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll))
	create(kadm.NewACLs().Allow("User:billing").AllowHosts("127.0.0.1").Groups("billing").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead))

	// The shop writes, idempotently and in a transaction, and reads nothing.
	shop := as(t, addr, "shop", kgo.TransactionalID("shop-1"))
	if err := shop.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := shop.ProduceSync(ctx, &kgo.Record{Topic: "shop-orders", Value: []byte("1")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := shop.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	produce(t, as(t, addr, "shop"), "shop-orders", "2")
	if err := as(t, addr, "shop").ProduceSync(ctx, &kgo.Record{Topic: "books", Value: []byte("x")}).FirstErr(); !isCode(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("the shop writes books: %v", err)
	}
	fenced := as(t, addr, "shop", kgo.TransactionalID("billing-1"))
	if _, _, err := fenced.ProducerID(ctx); !isCode(err, kerr.TransactionalIDAuthorizationFailed) {
		t.Errorf("the shop takes another's transactional id: %v", err)
	}

	// Billing reads in its group, and sees neither the secret nor the books.
	reader := as(t, addr, "billing", kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("shop-orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if got := values(consume(t, reader, 2)); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("billing reads %v", got)
	}
	topics, err := kadm.NewClient(as(t, addr, "billing")).ListTopics(ctx)
	if err != nil || !slices.Equal(topics.Names(), []string{"shop-orders"}) {
		t.Errorf("billing sees %v, %v", topics.Names(), err)
	}
	if _, err := kadm.NewClient(as(t, addr, "billing")).DescribeGroups(ctx, "another"); !isCode(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("billing describes another group: %v", err)
	}
	listed, err := kadm.NewClient(as(t, addr, "billing")).DescribeACLs(ctx, kadm.NewACLs().AnyResource().Operations(kadm.OpAny).Allow().AllowHosts())
	if err != nil || !isCode(listed[0].Err, kerr.ClusterAuthorizationFailed) {
		t.Errorf("billing lists ACLs: %v, %v", listed, err)
	}
	if groups, err := kadm.NewClient(as(t, addr, "shop")).ListGroups(ctx); err != nil || len(groups) != 0 {
		t.Errorf("the shop sees groups: %v, %v", groups, err)
	}

	// Rights that come and go count at once, for connections that are open too.
	open := as(t, addr, "shop")
	produce(t, open, "shop-orders", "3")
	create(kadm.NewACLs().Deny("User:*").DenyHosts().Topics("shop-orders").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite))
	if err := open.ProduceSync(ctx, &kgo.Record{Topic: "shop-orders", Value: []byte("4")}).FirstErr(); !isCode(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("the denial does not count: %v", err)
	}
	deleted, err := adm.DeleteACLs(ctx, kadm.NewACLs().Deny("User:*").DenyHosts().Topics("shop-orders").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite))
	if err != nil || len(deleted) != 1 || len(deleted[0].Deleted) != 1 {
		t.Fatalf("deleted %+v, %v", deleted, err)
	}
	produce(t, as(t, addr, "shop"), "shop-orders", "5")

	// Nobody got further than the administrator, and what he did is in the metadata.
	if got := n.meta.Image().ACLs().Len(); got != 5 {
		t.Errorf("%d ACLs", got)
	}
	req := kmsg.NewPtrCreateACLsRequest()
	req.Creations = append(req.Creations, kmsg.NewCreateACLsRequestCreation())
	resp, err := req.RequestWith(ctx, as(t, addr, "shop"))
	if err != nil || resp.Results[0].ErrorCode != kerr.ClusterAuthorizationFailed.Code {
		t.Errorf("the shop gives itself rights: %v, %v", resp, err)
	}
}
