package log

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/record"
)

func authorized(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:root"} }

// TestAuthorizationNeedsSomebody: a node that nobody could administrate does not start,
// and does once somebody may alter the cluster.
func TestAuthorizationNeedsSomebody(t *testing.T) {
	fs := vfs.NewMem()
	nobody := Options{DataDir: "data", FS: fs, Logger: discard(), Authorize: true}
	if n, err := Open(t.Context(), nobody); err == nil || !strings.Contains(err.Error(), "--super-user") {
		t.Fatalf("opened %v, %v", n, err)
	}
	n := openNode(t, fs, authorized)
	r := &rights{t: t, node: n}
	r.user(onTopic(acl.AllOperations), onCluster(acl.Describe))
	closeNode(t, n)
	if n, err := Open(t.Context(), nobody); err == nil {
		t.Fatalf("opened %v with nobody to alter the cluster", n)
	}
	n = openNode(t, fs, authorized)
	r.node = n
	r.user(onCluster(acl.Alter))
	closeNode(t, n)
	openNode(t, fs, func(o *Options) { o.Authorize = true })
}

func TestAuthorizationOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"Authorize is not":       {DataDir: "d", SuperUsers: []string{"User:a"}},
		`"root" is not a princi`: {DataDir: "d", Authorize: true, SuperUsers: []string{"root"}},
		// It was taken, was nobody, and let a node start on which nobody could give rights.
		`"user:root": nobody`: {DataDir: "d", Authorize: true, SuperUsers: []string{"user:root"}},
	} {
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestTheEnginesNameIsNotEnough: whoever authenticates under the name of the engine is
// somebody like others.
func TestTheEnginesNameIsNotEnough(t *testing.T) {
	r := newRights(t)
	req := kmsg.NewPtrDescribeLogDirsRequest()
	if got := denied(r.ask(EnginePrincipal, req)); got != kerr.ClusterAuthorizationFailed {
		t.Errorf("from elsewhere: %v", got)
	}
	resp, err := req.RequestWith(within(t), r.node.Session(SessionOptions{Principal: EnginePrincipal}))
	if err != nil || resp.ErrorCode != 0 {
		t.Errorf("from this process: %v, %v", resp, err)
	}
}

// TestNothingIsToldOfForbiddenTopics: whoever may not describe a topic gets for it what
// it would get if it were not there.
func TestNothingIsToldOfForbiddenTopics(t *testing.T) {
	r := newRights(t)
	stranger := r.user(onGroup(acl.Read), onTxn(acl.Write))
	for name, request := range map[string]func(topic string) kmsg.Request{
		"Metadata": func(topic string) kmsg.Request {
			req := metadataOf(kmsg.MetadataRequestTopic{Topic: &topic})
			req.AllowAutoTopicCreation = true
			return req
		},
		"ListOffsets": func(topic string) kmsg.Request {
			req := kmsg.NewPtrListOffsetsRequest()
			rt := kmsg.NewListOffsetsRequestTopic()
			rt.Topic, rt.Partitions = topic, append(rt.Partitions, kmsg.NewListOffsetsRequestTopicPartition())
			req.Topics = append(req.Topics, rt)
			return req
		},
		"Produce": func(topic string) kmsg.Request {
			req := produceRequest(topic, [16]byte{}, batchOf(record.Plain(), [2]string{"k", "v"}))
			req.Version = 12
			return req
		},
		"Fetch": func(topic string) kmsg.Request {
			req := fetchRequest(topic, [16]byte{}, 0)
			req.Version = 12
			return req
		},
		"OffsetCommit": func(topic string) kmsg.Request {
			req := commitRequest(r)
			req.Version, req.Topics[0].Topic, req.Topics[0].TopicID = 9, topic, [16]byte{}
			return req
		},
		"DeleteTopics": func(topic string) kmsg.Request {
			req := kmsg.NewPtrDeleteTopicsRequest()
			req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &topic})
			return req
		},
		"CreatePartitions": func(topic string) kmsg.Request {
			req := kmsg.NewPtrCreatePartitionsRequest()
			req.Topics = append(req.Topics, kmsg.CreatePartitionsRequestTopic{Topic: topic, Count: 5})
			return req
		},
		"DescribeConfigs": func(topic string) kmsg.Request {
			req := kmsg.NewPtrDescribeConfigsRequest()
			req.Resources = append(req.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic})
			return req
		},
		"DeleteRecords": func(topic string) kmsg.Request {
			req := kmsg.NewPtrDeleteRecordsRequest()
			rt := kmsg.NewDeleteRecordsRequestTopic()
			rt.Topic, rt.Partitions = topic, append(rt.Partitions, kmsg.NewDeleteRecordsRequestTopicPartition())
			req.Topics = append(req.Topics, rt)
			return req
		},
		"AddPartitionsToTxn": func(topic string) kmsg.Request {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			req.Version, req.TransactionalID = 3, "tx"
			req.Topics = append(req.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: topic, Partitions: []int32{0}})
			return req
		},
	} {
		var answers [2]string
		for i, topic := range []string{"orders", "absent"} { // of one length
			resp := r.ask(stranger, request(topic))
			if got := denied(resp); got != kerr.TopicAuthorizationFailed {
				t.Errorf("%s of %s: %v", name, topic, got)
			}
			answers[i] = strings.ReplaceAll(string(resp.AppendTo(nil)), topic, "x")
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: the answers differ:\n%q\n%q", name, answers[0], answers[1])
		}
	}
	if r.node.meta.Image().TopicByName("absent") != nil {
		t.Error("the topic was created")
	}
	// An id that is known is no secret, the name behind it is.
	m := r.ask(stranger, metadataOf(kmsg.MetadataRequestTopic{TopicID: r.topic})).(*kmsg.MetadataResponse)
	if got := m.Topics[0]; got.Topic != nil || got.ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("of the id the caller learns %+v", got)
	}
	unknown := [16]byte{9}
	m = r.ask(stranger, metadataOf(kmsg.MetadataRequestTopic{TopicID: unknown})).(*kmsg.MetadataResponse)
	if got := m.Topics[0]; got.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("of an unknown id the caller learns %+v", got)
	}
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.Topics = append(del.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: r.topic}, kmsg.DeleteTopicsRequestTopic{TopicID: unknown})
	d := r.ask(stranger, del).(*kmsg.DeleteTopicsResponse)
	if d.Topics[0].Topic != nil || d.Topics[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || d.Topics[1].ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("deleting by id: %+v", d.Topics)
	}
}

// TestRightsOnAPart: in a request about two topics each is answered for itself.
func TestRightsOnAPart(t *testing.T) {
	r := newRights(t)
	other := create(t, r.node.Session(SessionOptions{Principal: "User:root"}), "other", 1)
	who := r.user(onTopic(acl.Read), onTopic(acl.Write), onGroup(acl.Read), onTxn(acl.Write))

	p := produceRequest("other", other, batchOf(record.Plain(), [2]string{"k", "v"}))
	p.Topics = append(p.Topics, produceRequest("orders", r.topic, batchOf(record.Plain(), [2]string{"k", "v"})).Topics...)
	pr := r.ask(who, p).(*kmsg.ProduceResponse)
	if pr.Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || pr.Topics[1].Partitions[0].ErrorCode != 0 {
		t.Errorf("Produce: %+v", pr.Topics)
	}
	f := fetchRequest("other", other, 0)
	f.Topics = append(f.Topics, fetchRequest("orders", r.topic, 0).Topics...)
	fr := r.ask(who, f).(*kmsg.FetchResponse)
	if fr.Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || len(fr.Topics[0].Partitions[0].RecordBatches) != 0 ||
		fr.Topics[1].Partitions[0].ErrorCode != 0 || len(fr.Topics[1].Partitions[0].RecordBatches) == 0 {
		t.Errorf("Fetch: %+v", fr.Topics)
	}

	commit := commitRequest(r)
	foreign := commitRequest(r).Topics[0]
	foreign.Topic, foreign.TopicID = "other", other
	commit.Topics[0].Partitions[0].Offset = 1
	commit.Topics = append([]kmsg.OffsetCommitRequestTopic{foreign}, commit.Topics...)
	cr := r.ask(who, commit).(*kmsg.OffsetCommitResponse)
	codes := map[[16]byte]int16{}
	for _, rt := range cr.Topics {
		codes[rt.TopicID] = rt.Partitions[0].ErrorCode
	}
	if len(codes) != 2 || codes[r.topic] != 0 || codes[other] != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("OffsetCommit: %+v", cr.Topics)
	}
	for _, version := range []int16{7, 9, 10} {
		offsets := committedOffsets(r, who, version, other)
		if len(offsets) != 2 || offsets["orders"] != 1 || offsets["other"] != -1-int64(kerr.TopicAuthorizationFailed.Code) {
			t.Errorf("OffsetFetch version %d: %v", version, offsets)
		}
	}

	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.Version, add.TransactionalID = 3, "tx"
	for _, topic := range []string{"orders", "other"} {
		add.Topics = append(add.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: topic, Partitions: []int32{0, 7}})
	}
	ar := r.ask(who, add).(*kmsg.AddPartitionsToTxnResponse)
	var got []int16
	for _, rt := range ar.Topics {
		for _, rp := range rt.Partitions {
			got = append(got, rp.ErrorCode)
		}
	}
	want := []int16{kerr.OperationNotAttempted.Code, kerr.UnknownTopicOrPartition.Code, kerr.TopicAuthorizationFailed.Code, kerr.TopicAuthorizationFailed.Code}
	if !slices.Equal(got, want) {
		t.Errorf("AddPartitionsToTxn: %v, want %v", got, want)
	}
}

// committedOffsets asks for what the group g has committed on two topics; an error code
// is counted down from -1.
func committedOffsets(r *rights, who string, version int16, other [16]byte) map[string]int64 {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = version, "g"
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	for name, id := range map[string][16]byte{"orders": r.topic, "other": other} {
		req.Topics = append(req.Topics, kmsg.OffsetFetchRequestTopic{Topic: name, Partitions: []int32{0}})
		g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: name, TopicID: id, Partitions: []int32{0}})
	}
	req.Groups = append(req.Groups, g)
	resp := r.ask(who, req).(*kmsg.OffsetFetchResponse)
	offsets := map[string]int64{}
	for _, rt := range resp.Topics {
		offsets[rt.Topic] = rt.Partitions[0].Offset - int64(rt.Partitions[0].ErrorCode)
	}
	for _, rg := range resp.Groups {
		for _, rt := range rg.Topics {
			name := rt.Topic
			if rt.TopicID == r.topic {
				name = "orders"
			} else if rt.TopicID == other {
				name = "other"
			}
			offsets[name] = rt.Partitions[0].Offset - int64(rt.Partitions[0].ErrorCode)
		}
	}
	return offsets
}

// TestAuthorizedOperations shows callers their own rights.
func TestAuthorizedOperations(t *testing.T) {
	r := newRights(t)
	bits := func(ops ...acl.Operation) (b int32) {
		for _, op := range ops {
			b |= 1 << op
		}
		return b
	}
	who := r.user(onTopic(acl.Read), onTopic(acl.AlterConfigs), onGroup(acl.Delete), onCluster(acl.Create), onCluster(acl.Alter))
	ask := func(who string) (topic, cluster, oldCluster, group int32) {
		m := metadataOf(kmsg.MetadataRequestTopic{Topic: new("orders")})
		m.IncludeTopicAuthorizedOperations, m.IncludeClusterAuthorizedOperations, m.Version = true, true, 10
		mr := r.ask(who, m).(*kmsg.MetadataResponse)
		c := kmsg.NewPtrDescribeClusterRequest()
		c.IncludeClusterAuthorizedOperations = true
		g := kmsg.NewPtrDescribeGroupsRequest()
		g.Groups, g.IncludeAuthorizedOperations = []string{"g"}, true
		return mr.Topics[0].AuthorizedOperations, r.ask(who, c).(*kmsg.DescribeClusterResponse).ClusterAuthorizedOperations,
			mr.AuthorizedOperations, r.ask(who, g).(*kmsg.DescribeGroupsResponse).Groups[0].AuthorizedOperations
	}
	topic, cluster, oldCluster, group := ask(who)
	for name, c := range map[string][2]int32{
		"topic":       {topic, bits(acl.Read, acl.Describe, acl.AlterConfigs, acl.DescribeConfigs)},
		"cluster":     {cluster, bits(acl.Create, acl.Alter, acl.Describe)},
		"old cluster": {oldCluster, bits(acl.Create, acl.Alter, acl.Describe)},
		"group":       {group, bits(acl.Delete, acl.Describe)},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %b, want %b", name, c[0], c[1])
		}
	}
	// Whoever may do everything has all that makes sense.
	all := [4]int32{int32(acl.Meaningful(acl.Topic)), int32(acl.Meaningful(acl.Cluster)), int32(acl.Meaningful(acl.Cluster)), int32(acl.Meaningful(acl.Group))}
	if topic, cluster, oldCluster, group = ask("User:root"); [4]int32{topic, cluster, oldCluster, group} != all {
		t.Errorf("a super user has %b %b %b %b, want %b", topic, cluster, oldCluster, group, all)
	}
	// Of a topic that the caller may not describe, there are none to show.
	if topic, cluster, _, _ = ask(r.user()); topic != -1<<31 || cluster != 0 {
		t.Errorf("a stranger has %b, %b", topic, cluster)
	}
}

// TestACLRequests changes ACLs as admin clients do.
func TestACLRequests(t *testing.T) {
	_, addr := newNode(t, func(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:ANONYMOUS"} })
	adm, ctx := admin(t, addr), within(t)
	b := kadm.NewACLs().Topics("a", "b").ResourcePatternType(kadm.ACLPatternPrefixed).Operations(kadm.OpRead, kadm.OpWrite).Allow("User:x").AllowHosts("1.2.3.4").Deny("User:y").DenyHosts()
	created, err := adm.CreateACLs(ctx, b)
	if err != nil || len(created) != 8 {
		t.Fatal(created, err)
	}
	for _, c := range created {
		if c.Err != nil {
			t.Error(c.Err)
		}
	}
	if again, err := adm.CreateACLs(ctx, b); err != nil || again[0].Err != nil {
		t.Error("what is there already is an error", again, err)
	}
	all := kadm.NewACLs().AnyResource().ResourcePatternType(kadm.ACLPatternAny).Operations(kadm.OpAny).Allow().AllowHosts().Deny().DenyHosts()
	described, err := adm.DescribeACLs(ctx, all)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range described {
		for _, e := range d.Described {
			lines = append(lines, strings.Join([]string{e.Permission.String(), e.Principal, e.Host, e.Operation.String(), e.Type.String(), e.Pattern.String(), e.Name}, " "))
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) != 8 || lines[0] != "ALLOW User:x 1.2.3.4 READ TOPIC PREFIXED a" || lines[7] != "DENY User:y * WRITE TOPIC PREFIXED b" {
		t.Errorf("described:\n%s", strings.Join(lines, "\n"))
	}
	deleted, err := adm.DeleteACLs(ctx, kadm.NewACLs().Topics("abc").ResourcePatternType(kadm.ACLPatternMatch).Operations(kadm.OpAny).Allow().AllowHosts().Deny().DenyHosts())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range deleted {
		n += len(d.Deleted)
	}
	if n != 4 {
		t.Errorf("%d deleted: %+v", n, deleted)
	}
}

// TestACLRequestsRefused gives the error codes of Kafka, each entry its own.
func TestACLRequestsRefused(t *testing.T) {
	r := newRights(t)
	req := kmsg.NewPtrCreateACLsRequest()
	good := kmsg.NewCreateACLsRequestCreation()
	good.ResourceType, good.ResourceName, good.ResourcePatternType = kmsg.ACLResourceTypeTopic, "t", kmsg.ACLResourcePatternTypeLiteral
	good.Principal, good.Host, good.Operation, good.PermissionType = "User:a", "*", kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow
	req.Creations = append(req.Creations, good)
	for _, spoil := range []func(*kmsg.CreateACLsRequestCreation){
		func(c *kmsg.CreateACLsRequestCreation) { c.Principal = "a" },
		func(c *kmsg.CreateACLsRequestCreation) { c.ResourceName = "" },
		func(c *kmsg.CreateACLsRequestCreation) { c.ResourcePatternType = kmsg.ACLResourcePatternTypeMatch },
		func(c *kmsg.CreateACLsRequestCreation) { c.Operation = kmsg.ACLOperationAny },
		func(c *kmsg.CreateACLsRequestCreation) { c.PermissionType = kmsg.ACLPermissionTypeAny },
		func(c *kmsg.CreateACLsRequestCreation) { c.ResourceType = kmsg.ACLResourceTypeCluster },
		func(c *kmsg.CreateACLsRequestCreation) { c.ResourceType = 99 },
	} {
		c := good
		spoil(&c)
		req.Creations = append(req.Creations, c)
	}
	for i, result := range r.ask("User:root", req).(*kmsg.CreateACLsResponse).Results {
		if bad := i > 0; bad != (result.ErrorCode == kerr.InvalidRequest.Code && result.ErrorMessage != nil) {
			t.Errorf("entry %d: %+v", i, result)
		}
	}
	d := describeACLsRequest("User:a")
	if got := r.ask("User:root", d).(*kmsg.DescribeACLsResponse); len(got.Resources) != 1 || len(got.Resources[0].ACLs) != 1 {
		t.Errorf("described %+v", got)
	}
	d.Operation = kmsg.ACLOperationUnknown
	if got := r.ask("User:root", d).(*kmsg.DescribeACLsResponse); got.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a filter for nothing: %+v", got)
	}

	off, _ := newNode(t)
	r = &rights{t: t, node: off}
	del := kmsg.NewPtrDeleteACLsRequest()
	del.Filters = append(del.Filters, kmsg.NewDeleteACLsRequestFilter())
	for _, req := range []kmsg.Request{describeACLsRequest("User:a"), req, del} {
		found := map[int16]int{}
		errorCodesOf(r.ask("User:anybody", req), found)
		if found[kerr.SecurityDisabled.Code] == 0 || found[0] > 0 {
			t.Errorf("%s without authorization: %v", kmsg.NameForKey(req.Key()), found)
		}
	}
}

// TestWhatIsAllowedIsLogged at level debug.
func TestWhatIsAllowedIsLogged(t *testing.T) {
	logged := newLogged()
	n, _ := newNode(t, authorized, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	(&rights{t: t, node: n}).ask("User:root", kmsg.NewPtrDescribeLogDirsRequest())
	if want := `msg="access allowed" principal=User:root host=10.1.2.3 operation=DESCRIBE resource=CLUSTER name=kafka-cluster request=DescribeLogDirs`; !strings.Contains(logged.String(), want) {
		t.Errorf("the log does not say %s:\n%s", want, logged.String())
	}
}

// TestDenialsAreLogged, once for each, and thinned out when there are many.
func TestDenialsAreLogged(t *testing.T) {
	logged := newLogged()
	n, _ := newNode(t, authorized, func(o *Options) { o.Logger = logged.logger() })
	r := &rights{t: t, node: n}
	r.ask("User:mallory", metadataOf(kmsg.MetadataRequestTopic{Topic: new("secret")}))
	for _, want := range []string{"access denied", "principal=User:mallory", "host=10.1.2.3", "operation=DESCRIBE", "resource=TOPIC", "name=secret", "request=Metadata"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, logged.String())
		}
	}
	r.ask("User:mallory", kmsg.NewPtrListGroupsRequest())
	if got := strings.Count(logged.String(), "access denied"); got != 1 {
		t.Errorf("%d denials are logged, the list is none:\n%s", got, logged.String())
	}
	if strings.Contains(logged.String(), "access allowed") {
		t.Error("what was allowed is logged at level info")
	}
	for range 1000 {
		r.ask("User:mallory", metadataOf(kmsg.MetadataRequestTopic{Topic: new("secret")}))
	}
	if got := strings.Count(logged.String(), "access denied"); got > 500 {
		t.Errorf("%d lines for a thousand denials", got)
	}
}

// TestClientsWithFewRights: real clients with the least rights that docs/security.md
// promises to be enough, and the errors that they see without.
func TestClientsWithFewRights(t *testing.T) {
	n, addr := newNode(t, authorized)
	r := &rights{t: t, node: n}
	root := n.Session(SessionOptions{Principal: "User:root"})
	create(t, root, "in", 1)
	awaitCoordinator(t, root, "readers")
	cl := client(t, addr, kgo.DefaultProduceTopic("in"))
	if err := cl.ProduceSync(within(t), kgo.StringRecord("no")).FirstErr(); !isCode(err, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed) {
		t.Errorf("without rights: %v", err)
	}
	r.grant("User:ANONYMOUS", right{acl.Write, acl.Topic, "in"})
	produce(t, client(t, addr), "in", "1", "2", "3")

	r.grant("User:ANONYMOUS", right{acl.Read, acl.Topic, "in"}, right{acl.Read, acl.Group, "readers"})
	reader := client(t, addr, kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("in"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if got := values(consume(t, reader, 3)); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("consumed %v", got)
	}
	if err := reader.CommitUncommittedOffsets(within(t)); err != nil {
		t.Error(err)
	}
	if _, err := admin(t, addr).CreateTopic(within(t), 1, 1, nil, "more"); !isCode(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("created a topic: %v", err)
	}
}

// isCode tells whether err is one of these.
func isCode(err error, codes ...*kerr.Error) bool {
	return slices.ContainsFunc(codes, func(c *kerr.Error) bool { return errors.Is(err, c) })
}

// grant gives rights to somebody from any host.
func (r *rights) grant(principal string, granted ...right) {
	r.t.Helper()
	req := kmsg.NewPtrCreateACLsRequest()
	for _, g := range granted {
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName, c.ResourcePatternType = kmsg.ACLResourceType(g.kind), g.name, kmsg.ACLResourcePatternTypeLiteral
		c.Principal, c.Host, c.Operation, c.PermissionType = principal, "*", kmsg.ACLOperation(g.op), kmsg.ACLPermissionTypeAllow
		req.Creations = append(req.Creations, c)
	}
	for _, result := range r.ask("User:root", req).(*kmsg.CreateACLsResponse).Results {
		if result.ErrorCode != 0 {
			r.t.Fatal(*result.ErrorMessage)
		}
	}
}
