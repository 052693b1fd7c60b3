package replica

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
)

// TestTopicsAcrossCrashes creates, fills, deletes and re-creates a topic in the
// second life of a node while the power is cut at each call of the file system in
// turn. What was acknowledged is there, what a reader saw is there, a re-created
// topic has another id and another directory, and leader epochs have risen.
func TestTopicsAcrossCrashes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for cut := int64(1); ; cut += 1 + cut/25 {
		var gone atomic.Bool // what is acknowledged from here on may be lost
		var left atomic.Pointer[vfs.Mem]
		rng := rand.New(rand.NewPCG(seed, uint64(cut)))
		disk := firstLife(t, rng)
		var calls atomic.Int64
		disk.Inject(func(op vfs.Op, _ string) error {
			if op.Changes() && calls.Add(1) == cut {
				gone.Store(true)
				left.Store(disk.CrashClone(rng))
			}
			return nil
		})
		told := fillTopics(t, disk, gone.Load)
		if left.Load() == nil {
			if cut < 100 {
				t.Fatalf("a life has %d calls only", calls.Load())
			}
			return
		}
		told.check(t, cut, left.Load())
	}
}

// firstLife leaves a disk with a topic "old", after a power cut or an orderly end.
func firstLife(t *testing.T, rng *rand.Rand) *vfs.Mem {
	disk := vfs.NewMem()
	n, err := openNode(disk, storage.Always)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, n.newTopic(t, "old"), batch("x", "y", "z"))
	if rng.IntN(2) == 0 {
		defer n.close()
		return disk.CrashClone(rng)
	}
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// told is what a client knew before the power was cut.
type told struct {
	id      meta.ID // of topic a, zero if it may not be there
	deleted []meta.ID
	values  []string // acknowledged in it
	seen    []string // read from it
	epoch   int32    // in which it was written to
}

func fillTopics(t *testing.T, disk *vfs.Mem, gone func() bool) (k told) {
	n, err := openNode(disk, storage.Always)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	for range 3 {
		if !k.id.IsZero() {
			id := k.id
			k = told{deleted: k.deleted}
			if err := n.deleteTopic("a"); err != nil {
				t.Fatal(err)
			}
			if gone() {
				return k
			}
			k.deleted = append(k.deleted, id)
		}
		p := n.newTopic(t, "a", meta.ConfigValue{Key: "segment.bytes", Value: "1024"})
		if gone() {
			return k
		}
		k.id, k.epoch = p.TopicID(), p.LeaderEpoch()
		for i := range 15 {
			r := mustAppend(t, p, batch(fmt.Sprintf("%d %s", i, make([]byte, 100))))
			seen := values(t, p, 0, ReadUncommitted)
			if gone() {
				return k
			}
			k.values = append(k.values, fmt.Sprintf("%d:%d %s", r.BaseOffset, i, make([]byte, 100)))
			k.seen = seen
		}
	}
	return k
}

func (k told) check(t *testing.T, cut int64, disk *vfs.Mem) {
	n, err := openNode(disk, storage.Always)
	if err != nil {
		t.Fatalf("cut at call %d: %v", cut, err)
	}
	defer n.close()
	old, err := n.manager.PartitionByName("old", 0)
	if err != nil {
		t.Fatalf("cut at call %d: %v", cut, err)
	}
	if have := values(t, old, 0, ReadUncommitted); len(have) != 3 {
		t.Fatalf("cut at call %d: of the first life are left %q", cut, have)
	}
	for _, id := range k.deleted {
		if n.meta.Image().Topic(id) != nil {
			t.Fatalf("cut at call %d: topic %s lives again", cut, id)
		}
	}
	held, err := n.disk.Partitions()
	if err != nil {
		t.Fatal(err)
	}
	for _, tp := range held {
		if n.meta.Image().Partition(tp.TopicID, tp.Partition) == nil {
			t.Fatalf("cut at call %d: the directory %v has no topic", cut, tp)
		}
	}
	if kept, _ := disk.List("data/quarantine"); !onlyTails(kept) {
		t.Fatalf("cut at call %d: in quarantine are %q", cut, kept)
	}
	if k.id.IsZero() {
		return
	}
	p, err := n.manager.Partition(k.id, 0)
	if err != nil {
		// It may have been deleted, but only in favour of another.
		if a := n.meta.Image().TopicByName("a"); !n.meta.Image().Removed(k.id) || a != nil && a.ID == k.id {
			t.Fatalf("cut at call %d: topic %s: %v", cut, k.id, err)
		}
		t.Fatalf("cut at call %d: topic %s was deleted before anybody asked", cut, k.id)
	}
	if p.LeaderEpoch() <= k.epoch {
		t.Fatalf("cut at call %d: leader epoch %d after %d", cut, p.LeaderEpoch(), k.epoch)
	}
	have := values(t, p, 0, ReadUncommitted)
	for _, list := range [][]string{k.values, k.seen} {
		if len(have) < len(list) {
			t.Fatalf("cut at call %d: %d records of %d", cut, len(have), len(list))
		}
		for i, v := range list {
			if have[i] != v {
				t.Fatalf("cut at call %d: record %d is %q, was %q", cut, i, have[i], v)
			}
		}
	}
	mustAppend(t, p, batch("life goes on"))
}

// onlyTails reports whether quarantine holds nothing but cut-off ends of segments,
// which recovery keeps there.
func onlyTails(names []string) bool {
	for _, name := range names {
		if !strings.Contains(name, ".log") && !strings.Contains(name, "tail") {
			return false
		}
	}
	return true
}
