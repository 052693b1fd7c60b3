package meta

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/quota"
)

// TestControllerScripts plays testdata/controller/*.txt: lines of commands, each
// followed by what the controller did, indented. -update rewrites what it did.
//
//	lead                          the node leads, with what is committed
//	resign
//	commit | fail                 the oldest proposal is committed | lost
//	register NODE [epoch=N] [clean] [policy=os] [directory=N] [level=N]
//	create NAME [partitions=N] [replicas=N] [assign=1+2,2+3] [dry] [KEY:VALUE...]
//	delete NAME                   grow NAME N [dry]
//	config NAME [replace] [dry] [KEY:VALUE | -KEY | +KEY:VALUE | ~KEY:VALUE ...]
//	defaults [replace] [dry] ...  the same for all nodes, then what a new topic has
//	group NAME [replace] [dry] ...  the same for a group of consumers
//	isr NAME/N node=N epoch=N partition=N isr=1+2 [broker=N]
//	block NODE [broker=N]         finalize LEVEL
//	scram USER:MECHANISM[:ITERATIONS] -USER:MECHANISM ...
//	acl who=PRINCIPAL topic=NAME|group=NAME [deny] [anything]
//	unacl [who=PRINCIPAL] [topic=NAME] [nonsense]
func TestControllerScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/controller/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			input, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newBench().play(t, string(input))
			golden(t, file, got)
		})
	}
}

// bench is a controller with a log that commits when the script says so.
type bench struct {
	runner     *core.Runner
	out        strings.Builder
	committed  *Image
	proposals  []core.Propose
	generation uint32
	request    uint64
	source     *rand.Rand
	incarnated byte
}

func newBench() *bench {
	b := &bench{committed: NewImage(), source: rand.New(rand.NewPCG(1, 1))}
	b.runner = core.NewRunner(NewController(ControllerOptions{ClusterID: testID(1), Source: b.source, MaxPartitions: 60, MaxACLs: 4}), b)
	return b
}

func (b *bench) play(t *testing.T, script string) string {
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&b.out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		b.command(t, strings.Fields(line))
	}
	return b.out.String()
}

func (b *bench) command(t *testing.T, words []string) {
	args := map[string]string{}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		args[key] = value
	}
	number := func(key string, otherwise int64) int64 {
		if v, err := strconv.ParseInt(args[key], 10, 64); err == nil {
			return v
		}
		return otherwise
	}
	flagged := func(key string) bool { _, ok := args[key]; return ok }
	switch words[0] {
	case "lead":
		b.generation++
		b.runner.Step(0, Lead{Generation: b.generation, Image: b.committed})
	case "resign":
		b.runner.Step(0, Resign{})
	case "commit":
		b.settle(t, nil)
	case "fail":
		b.settle(t, ErrNotLeading)
	case "register":
		b.register(words, args, number, flagged)
	case "create":
		b.create(words, args, number, flagged)
	case "delete":
		b.ask(DeleteTopics{Topics: []TopicRef{{Name: words[1]}}})
	case "grow":
		count, _ := strconv.Atoi(words[2])
		b.ask(CreatePartitions{Topics: []MorePartitions{{Name: words[1], Count: int32(count)}}, ValidateOnly: flagged("dry")})
	case "config":
		c := ConfigChanges{Topic: TopicRef{Name: words[1]}, Replace: flagged("replace"), Changes: configChanges(words[2:])}
		b.ask(AlterConfigs{Topics: []ConfigChanges{c}, ValidateOnly: flagged("dry")})
	case "defaults":
		b.ask(AlterDefaults{Replace: flagged("replace"), ValidateOnly: flagged("dry"), Changes: configChanges(words[1:])})
	case "group":
		g := GroupConfigChanges{Group: strings.Trim(words[1], `"`), Replace: flagged("replace"), Changes: configChanges(words[2:])}
		b.ask(AlterGroupConfigs{Groups: []GroupConfigChanges{g}, ValidateOnly: flagged("dry")})
	case "isr":
		name, index, _ := strings.Cut(words[1], "/")
		i, _ := strconv.Atoi(index)
		node := int32(number("node", 0))
		b.ask(AlterPartition{NodeID: node, BrokerEpoch: number("broker", b.epochOf(node)), Topic: b.committed.TopicByName(name).ID, Index: int32(i),
			LeaderEpoch: int32(number("epoch", 0)), PartitionEpoch: int32(number("partition", 0)), ISR: numbers(args["isr"])})
	case "block":
		node, _ := strconv.Atoi(words[1])
		b.ask(AllocateProducerIDs{NodeID: int32(node), BrokerEpoch: number("broker", b.epochOf(int32(node)))})
	case "quota":
		b.ask(AlterClientQuotas{Entities: []QuotaChanges{quotaChanges(words)}, ValidateOnly: flagged("dry")})
	case "scram":
		b.ask(scramChanges(words[1:]))
	case "acl":
		b.ask(CreateACLs{Entries: []acl.Entry{aclEntry(args)}})
	case "unacl":
		b.ask(DeleteACLs{Filters: []acl.Filter{aclFilter(args)}})
	case "finalize":
		level, _ := strconv.Atoi(words[1])
		b.ask(FinalizeFeature{Name: FeatureVersion, Level: int16(level)})
	default:
		t.Fatalf("no command %q", words[0])
	}
}

func (b *bench) epochOf(node int32) int64 {
	if r := b.committed.Broker(node); r != nil {
		return r.Epoch
	}
	return 0
}

func (b *bench) register(words []string, args map[string]string, number func(string, int64) int64, flagged func(string) bool) {
	node, _ := strconv.Atoi(words[1])
	b.incarnated++
	r := Broker{NodeID: int32(node), Directory: testID(byte(number("directory", int64(node)))), Incarnation: testID(100 + b.incarnated),
		PreviousEpoch: -1, Features: []FeatureRange{{FeatureVersion, 1, int16(number("level", 1))}}, SyncPolicy: "always"}
	if flagged("clean") {
		r.PreviousEpoch = b.epochOf(r.NodeID)
	}
	if p := args["policy"]; p != "" {
		r.SyncPolicy = p
	}
	b.ask(RegisterBroker{Broker: r, KnownEpoch: number("epoch", b.epochOf(r.NodeID))})
}

func (b *bench) create(words []string, args map[string]string, number func(string, int64) int64, flagged func(string) bool) {
	t := NewTopic{Name: strings.Trim(words[1], `"`), Partitions: int32(number("partitions", -1)), ReplicationFactor: int16(number("replicas", -1))}
	for part := range strings.SplitSeq(args["assign"], ",") {
		if part != "" {
			t.Assignments = append(t.Assignments, numbers(part))
		}
	}
	for _, w := range words[2:] {
		if key, value, ok := strings.Cut(w, ":"); ok {
			t.Configs = append(t.Configs, ConfigValue{Key: key, Value: value})
		}
	}
	b.ask(CreateTopics{Topics: []NewTopic{t}, ValidateOnly: flagged("dry")})
}

func configChanges(words []string) []ConfigChange {
	var changes []ConfigChange
	for _, w := range words {
		if w == "replace" || w == "dry" {
			continue
		}
		op := map[byte]ConfigOp{'-': ConfigDelete, '+': ConfigAppend, '~': ConfigSubtract}[w[0]]
		key, value, _ := strings.Cut(strings.TrimLeft(w, "-+~"), ":")
		changes = append(changes, ConfigChange{Op: op, Key: key, Value: value})
	}
	return changes
}

// quotaChanges reads TYPE=NAME for the parts of an entity, KEY:VALUE and -KEY.
func quotaChanges(words []string) QuotaChanges {
	var c QuotaChanges
	for _, w := range words[1:] {
		if kind, name, ok := strings.Cut(w, "="); ok {
			*c.Entity.Part(kind) = quota.Named(strings.Trim(name, `"`))
			if name == "<default>" {
				*c.Entity.Part(kind) = quota.Default
			}
			continue
		}
		key, text, set := strings.Cut(strings.TrimPrefix(w, "-"), ":")
		value, _ := strconv.ParseFloat(text, 64)
		if w != "dry" {
			c.Changes = append(c.Changes, QuotaChange{Key: quota.Key(key), Value: value, Remove: !set})
		}
	}
	return c
}

func numbers(list string) []int32 {
	var ns []int32
	for part := range strings.SplitSeq(list, "+") {
		if n, err := strconv.Atoi(part); err == nil {
			ns = append(ns, int32(n))
		}
	}
	return ns
}

func (b *bench) ask(body any) {
	b.request++
	b.runner.Step(0, Request{ID: b.request, Body: body})
}

// settle commits or loses the oldest proposal.
func (b *bench) settle(t *testing.T, err error) {
	if len(b.proposals) == 0 {
		t.Fatal("nothing is proposed")
	}
	p := b.proposals[0]
	b.proposals = b.proposals[1:]
	done := core.Done{Token: p.Token, Err: err}
	if err == nil {
		records, err := decodeEntry(encodeEntry(p.Records))
		if err != nil {
			t.Fatal(err)
		}
		next, err := b.committed.Apply(b.committed.Index()+10, records) // not the index that the controller would guess
		if err != nil {
			t.Fatal(err)
		}
		b.committed = next
		done.BaseOffset = int64(next.Index())
	}
	b.runner.Step(0, done)
}

// name is a topic's, which unlike its id is the same in every run.
func (b *bench) name(id ID, records []Record) string {
	for _, r := range records {
		if t, ok := r.(*TopicRecord); ok && t.ID == id {
			return t.Name
		}
	}
	if t := b.committed.Topic(id); t != nil {
		return t.Name
	}
	return "?"
}

// Propose writes down what the controller proposes.
func (b *bench) Propose(p core.Propose) {
	b.proposals = append(b.proposals, p)
	var records []Record
	for _, encoded := range p.Records {
		r, _, err := DecodeRecord(encoded)
		if err != nil {
			panic(err)
		}
		records = append(records, r)
	}
	fmt.Fprintf(&b.out, "  propose %d.%d\n", generationOf(p.Token), uint32(p.Token))
	for _, r := range records {
		line := b.describe(r, records)
		if p, ok := r.(*Partition); ok && p.Index > 0 && strings.HasPrefix(line, "partition __") {
			continue // all sixteen are alike
		}
		fmt.Fprintf(&b.out, "    %s\n", line)
	}
}

func (b *bench) describe(r Record, all []Record) string {
	switch r := r.(type) {
	case *Cluster:
		return "cluster"
	case *Feature:
		return fmt.Sprintf("feature %s %d", r.Name, r.Level)
	case *Broker:
		return fmt.Sprintf("broker %d previous epoch %d", r.NodeID, r.PreviousEpoch)
	case *TopicRecord:
		return fmt.Sprintf("topic %s internal %t", r.Name, r.Internal)
	case *TopicRemoval:
		return fmt.Sprintf("removal of %s", b.name(r.ID, all))
	case *Partition:
		var nodes []int32
		for _, x := range r.Replicas {
			nodes = append(nodes, x.NodeID)
		}
		return fmt.Sprintf("partition %s/%d replicas %v isr %v elr %v leader %d epoch %d partition epoch %d",
			b.name(r.Topic, all), r.Index, nodes, r.ISR, r.ELR, r.Leader, r.LeaderEpoch, r.Epoch)
	case *Config:
		if r.Resource == ResourceBroker && r.Remove {
			return fmt.Sprintf("config of all nodes %s default", r.Key)
		}
		if r.Resource == ResourceBroker {
			return fmt.Sprintf("config of all nodes %s=%s", r.Key, r.Value)
		}
		if r.Remove {
			return fmt.Sprintf("config %s %s default", b.name(r.Topic, all), r.Key)
		}
		return fmt.Sprintf("config %s %s=%s", b.name(r.Topic, all), r.Key, r.Value)
	case *GroupConfig:
		if r.Remove {
			return fmt.Sprintf("config of group %s %s default", r.Group, r.Key)
		}
		return fmt.Sprintf("config of group %s %s=%s", r.Group, r.Key, r.Value)
	case *ClientQuota:
		if r.Remove {
			return fmt.Sprintf("quota of %v: no %s", r.Entity, r.Key)
		}
		return fmt.Sprintf("quota of %v: %s=%v", r.Entity, r.Key, r.Value)
	case *ScramCredential:
		if r.Remove {
			return fmt.Sprintf("no %v credential of %q", r.Mechanism, r.User)
		}
		return fmt.Sprintf("%v credential of %q, %d iterations", r.Mechanism, r.User, r.Iterations)
	case *ACL:
		if r.Remove {
			entry, _ := b.committed.acls.ids.get(r.ID)
			return fmt.Sprintf("no acl: %s", entry.Entry)
		}
		return fmt.Sprintf("acl: %s", r.Entry)
	case *ProducerIDBlock:
		return fmt.Sprintf("producer ids below %d for node %d", r.Next, r.NodeID)
	}
	return fmt.Sprintf("%T", r)
}

// Reply writes down an answer.
func (b *bench) Reply(r core.Reply, err error) {
	switch a := r.Response.(type) {
	case nil:
		fmt.Fprintf(&b.out, "  reply %d", r.ID)
	case *Refusal:
		fmt.Fprintf(&b.out, "  refuse %d %s: %s", r.ID, a.Code.Message, a.Reason)
	case []TopicResult:
		if a[0].Err != nil {
			refusal := a[0].Err.(*Refusal)
			fmt.Fprintf(&b.out, "  refuse %d %s: %s", r.ID, refusal.Code.Message, refusal.Reason)
			break
		}
		fmt.Fprintf(&b.out, "  reply %d topic %s with %d partitions", r.ID, a[0].Topic.Name, len(a[0].Topic.Partitions))
	case []UserResult:
		fmt.Fprintf(&b.out, "  reply %d", r.ID)
		for _, u := range a {
			fmt.Fprintf(&b.out, " %q", u.User)
			if refusal, ok := u.Err.(*Refusal); ok {
				fmt.Fprintf(&b.out, " refused %s: %s;", refusal.Code.Message, refusal.Reason)
			}
		}
	case []ACLDeletion:
		if a[0].Err != nil {
			refusal := a[0].Err.(*Refusal)
			fmt.Fprintf(&b.out, "  refuse %d %s: %s", r.ID, refusal.Code.Message, refusal.Reason)
			break
		}
		fmt.Fprintf(&b.out, "  reply %d of %d entries", r.ID, len(a[0].Deleted))
	case []error:
		if refusal, ok := a[0].(*Refusal); ok {
			fmt.Fprintf(&b.out, "  refuse %d %s: %s", r.ID, refusal.Code.Message, refusal.Reason)
			break
		}
		fmt.Fprintf(&b.out, "  reply %d", r.ID)
	case *Partition:
		fmt.Fprintf(&b.out, "  reply %d isr %v partition epoch %d", r.ID, a.ISR, a.Epoch)
	default:
		fmt.Fprintf(&b.out, "  reply %d %+v", r.ID, a)
	}
	if err != nil {
		fmt.Fprintf(&b.out, " FAILED: %v", err)
	}
	fmt.Fprintln(&b.out)
}

// Append, Send and Do are never asked for.
func (b *bench) Append(core.Append) { panic("append") }

// Send is never asked for.
func (b *bench) Send(core.Send) { panic("send") }

// Do is never asked for.
func (b *bench) Do(any) { panic("do") }
