package meta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/core"
	"go.etcd.io/raft/v3"
)

// openMember is a member alone over Pebble, that leads.
func openMember(t *testing.T, log *PebbleLog, every uint64) *Member {
	t.Helper()
	if log.Fresh() {
		if err := log.Save(FirstWrite(7)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := NewMember(MemberOptions{RaftID: 7, Store: log, SnapshotEvery: every, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Campaign(); err != nil {
		t.Fatal(err)
	}
	return m
}

func mustAdvance(t *testing.T, m *Member) Effects {
	t.Helper()
	effects, err := m.Advance()
	if err != nil {
		t.Fatal(err)
	}
	return effects
}

// featureRecord is a record that says a number.
func featureRecord(n int) [][]byte {
	return [][]byte{AppendRecord(nil, &Feature{Name: fmt.Sprintf("f%d", n%100), Level: int16(n)})}
}

// TestSnapshotsBoundTheLog proposes through many snapshots and restarts; the image
// is the same as without, and the log does not grow.
func TestSnapshotsBoundTheLog(t *testing.T) {
	disk := vfs.NewMem()
	want := NewImage()
	n := 0
	for range 5 {
		log, err := OpenPebbleLog(disk, "m", quiet)
		if err != nil {
			t.Fatal(err)
		}
		m := openMember(t, log, 40)
		lead := mustAdvance(t, m).Lead
		if lead == nil {
			t.Fatal("a member alone does not lead")
		}
		if lead.Image.Fingerprint() != want.Fingerprint() {
			t.Fatalf("after %d proposals and a restart the image is another", n)
		}
		for i := range 130 {
			n++
			token := core.Token(uint64(lead.Generation)<<32 | uint64(i+1))
			if err := m.Propose(core.Propose{Token: token, Records: featureRecord(n)}); err != nil {
				t.Fatal(err)
			}
			effects := mustAdvance(t, m)
			if len(effects.Done) != 1 || effects.Done[0].Token != token || effects.Done[0].Err != nil {
				t.Fatalf("proposal %d: %+v", n, effects.Done)
			}
			want, _ = want.Apply(effects.Image.Index(), []Record{&Feature{Name: fmt.Sprintf("f%d", n%100), Level: int16(n)}})
			if effects.Done[0].BaseOffset != int64(effects.Image.Index()) {
				t.Fatalf("index %d, image at %d", effects.Done[0].BaseOffset, effects.Image.Index())
			}
		}
		first, _ := log.FirstIndex()
		last, _ := log.LastIndex()
		if last-first > 90 {
			t.Errorf("the log has entries %d to %d", first, last)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemberRefusesTokensOfOtherGenerations(t *testing.T) {
	log, err := OpenPebbleLog(vfs.NewMem(), "m", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	m := openMember(t, log, 0)
	if err := m.Propose(core.Propose{Token: 1<<32 | 1, Records: featureRecord(1)}); !errors.Is(err, ErrNotLeading) {
		t.Errorf("before the lead: %v", err)
	}
	mustAdvance(t, m)
	if err := m.Propose(core.Propose{Token: 2<<32 | 1, Records: featureRecord(1)}); !errors.Is(err, ErrNotLeading) {
		t.Errorf("of another generation: %v", err)
	}
	// More than raft takes uncommitted ends the generation; the next begins when what
	// was under way is settled.
	if err := m.Propose(core.Propose{Token: 1<<32 | 1, Records: featureRecord(1)}); err != nil {
		t.Fatal(err)
	}
	huge := make([]byte, 65<<20)
	if err := m.Propose(core.Propose{Token: 1<<32 | 2, Records: [][]byte{huge}}); !errors.Is(err, raft.ErrProposalDropped) {
		t.Fatalf("65 MiB: %v", err)
	}
	if err := m.Propose(core.Propose{Token: 1<<32 | 3, Records: featureRecord(2)}); !errors.Is(err, ErrNotLeading) {
		t.Errorf("after a dropped proposal: %v", err)
	}
	effects := mustAdvance(t, m)
	if len(effects.Done) != 1 || effects.Done[0].Err != nil || effects.Lead == nil || effects.Lead.Generation != 2 {
		t.Errorf("%+v", effects)
	}
}

// TestUnknownEntryStopsTheNode lets a newer program write a record that this one
// does not know, and opens the directory with this one.
func TestUnknownEntryStopsTheNode(t *testing.T) {
	disk := vfs.NewMem()
	m := openTest(t, disk)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := OpenPebbleLog(disk, "data/metadata", quiet)
	if err != nil {
		t.Fatal(err)
	}
	member, err := NewMember(MemberOptions{RaftID: testID(2).RaftID(), Store: log, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := member.Campaign(); err != nil {
		t.Fatal(err)
	}
	mustAdvance(t, member)
	if err := member.Propose(core.Propose{Token: 1<<32 | 1, Records: [][]byte{{200, 1, 1, 0}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := member.Advance(); !errors.Is(err, ErrUnknownRecord) {
		t.Fatalf("the member that wrote it: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), testOptions(disk)); !errors.Is(err, ErrUnknownRecord) || !strings.Contains(err.Error(), "newer millrace") {
		t.Errorf("opened by an older program: %v", err)
	}
}

func TestOpenRefusesForeignMetadata(t *testing.T) {
	disk := vfs.NewMem()
	if err := openTest(t, disk).Close(); err != nil {
		t.Fatal(err)
	}
	other := testOptions(disk)
	other.ClusterID = testID(9)
	if _, err := Open(context.Background(), other); err == nil || !strings.Contains(err.Error(), "belongs to cluster") {
		t.Errorf("another cluster: %v", err)
	}
	other = testOptions(disk)
	other.Directory = testID(9)
	if _, err := Open(context.Background(), other); err == nil || !strings.Contains(err.Error(), "copied from another node") {
		t.Errorf("another directory: %v", err)
	}
	other = testOptions(disk)
	other.ClusterID = ID{}
	if _, err := Open(context.Background(), other); err == nil {
		t.Error("opened without a cluster id")
	}
	openTest(t, disk)
}

// TestFailedSyncIsFatal lets a sync of the raft log fail: Pebble's Commit says
// nothing of it, so what is asked must not be told that it happened.
func TestFailedSyncIsFatal(t *testing.T) {
	disk := vfs.NewMem()
	fatal := make(chan error, 10)
	o := testOptions(disk)
	o.Fatal = func(err error) { fatal <- err }
	m, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	register(t, m, 1)
	disk.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpSyncData && strings.HasSuffix(path.Base(name), ".log") {
			return &fs.PathError{Op: "sync", Path: name, Err: syscall.EIO}
		}
		return nil
	})
	if _, err := m.CreateTopics(context.Background(), CreateTopics{Topics: []NewTopic{{Name: "a", Partitions: -1, ReplicationFactor: -1}}}); err == nil {
		t.Error("acknowledged after a failed sync")
	}
	if err := <-fatal; !errors.Is(err, syscall.EIO) {
		t.Errorf("fatal: %v", err)
	}
	if _, err := m.CreateTopics(context.Background(), CreateTopics{Topics: []NewTopic{{Name: "b", Partitions: -1, ReplicationFactor: -1}}}); err == nil {
		t.Error("acknowledged after the failure")
	}
	disk.Inject(nil)
	m.Close()
	if len(fatal) != 0 {
		t.Error("fatal was called twice")
	}
}

// TestCrashAtEveryCall cuts the power at every call of the file system in turn,
// keeping a random part of what was not synced, and finds everything that was
// acknowledged before, under its id.
func TestCrashAtEveryCall(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for cut := int64(1); ; cut += 1 + cut/40 {
		rng := rand.New(rand.NewPCG(seed, uint64(cut)))
		disk := vfs.NewMem()
		var calls atomic.Int64
		var gone atomic.Bool // what is acknowledged from here on may be lost
		var left atomic.Pointer[vfs.Mem]
		disk.Inject(func(vfs.Op, string) error {
			if calls.Add(1) == cut {
				gone.Store(true)
				left.Store(disk.CrashClone(rng))
			}
			return nil
		})
		acked := liveUntil(t, disk, gone.Load)
		if left.Load() == nil {
			if cut < 50 {
				t.Fatalf("a life has %d calls only", calls.Load())
			}
			return
		}
		m, err := Open(context.Background(), testOptions(left.Load()))
		if err != nil {
			t.Fatalf("cut at call %d: %v", cut, err)
		}
		for name, id := range acked {
			if topic := m.Image().TopicByName(name); topic == nil || topic.ID != id {
				t.Fatalf("cut at call %d: topic %s with id %s is lost, there is %+v", cut, name, id, topic)
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// liveUntil creates, deletes and re-creates topics until the power is gone, and
// returns those of which it knew before that they were there.
func liveUntil(t *testing.T, disk *vfs.Mem, gone func() bool) map[string]ID {
	ctx := context.Background()
	acked := map[string]ID{}
	m, err := Open(ctx, testOptions(disk))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.RegisterBroker(ctx, testBroker(1)); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 20 && !gone(); i++ {
		name := fmt.Sprintf("t%d", i%3)
		if _, there := acked[name]; there {
			delete(acked, name) // from here on it may be gone
			rs, err := m.DeleteTopics(ctx, DeleteTopics{Topics: []TopicRef{{Name: name}}})
			if err != nil || rs[0].Err != nil {
				t.Fatal(err, rs)
			}
		}
		id := createTopic(t, m, name, 1).ID
		if !gone() {
			acked[name] = id
		}
	}
	return acked
}
