package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestPartitionsFollowTheMetadata(t *testing.T) {
	n := startNode(t, vfs.NewMem())
	for _, name := range []string{meta.OffsetsTopic, meta.TransactionsTopic} {
		for i := range int32(meta.InternalPartitions) {
			if _, err := n.manager.PartitionByName(name, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	first, err := n.createTopic("a", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.manager.Partition(first.ID, 2); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Error(err)
	}
	if _, err := n.meta.CreatePartitions(t.Context(), meta.CreatePartitions{Topics: []meta.MorePartitions{{Name: "a", Count: 3}}}); err != nil {
		t.Fatal(err)
	}
	if err := n.manager.Sync(t.Context(), n.meta.Image().Index()); err != nil {
		t.Fatal(err)
	}
	p, err := n.manager.Partition(first.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, p, batch("x"))
	if err := n.deleteTopic("a"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.manager.Partition(first.ID, 2); !errors.Is(err, kerr.UnknownTopicID) {
		t.Error(err)
	}
	second, err := n.createTopic("a", 3)
	if err != nil {
		t.Fatal(err)
	}
	p, err = n.manager.PartitionByName("a", 2)
	if err != nil || p.TopicID() != second.ID || second.ID == first.ID || p.LogEnd() != 0 {
		t.Errorf("the second a has id %s after %s, and ends at %d, %v", second.ID, first.ID, p.LogEnd(), err)
	}
}

// TestLeaderEpochRisesAtEachRestart restarts in order and by power cut, and finds
// that no (epoch, offset) was used twice.
func TestLeaderEpochRisesAtEachRestart(t *testing.T) {
	disk := vfs.NewMem()
	rng := rand.New(rand.NewPCG(1, 1))
	for life := range int32(5) {
		n, err := openNode(disk, storage.Always)
		if err != nil {
			t.Fatal(err)
		}
		if life == 0 {
			n.newTopic(t, "a")
		}
		p, err := n.manager.PartitionByName("a", 0)
		if err != nil {
			t.Fatal(err)
		}
		if p.LeaderEpoch() != life || n.meta.Image().TopicByName("a").Partitions[0].LeaderEpoch != life {
			t.Errorf("life %d has leader epoch %d", life, p.LeaderEpoch())
		}
		mustAppend(t, p, batch(fmt.Sprint(life)))
		for epoch := range life + 1 {
			if _, end := p.OffsetForEpoch(epoch); end != int64(epoch)+1 {
				t.Errorf("life %d: epoch %d ends at %d", life, epoch, end)
			}
		}
		if life%2 == 0 {
			crashed := disk.CrashClone(rng)
			n.close()
			disk = crashed
		} else if err := n.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCleanRestartIsRegistered(t *testing.T) {
	disk := vfs.NewMem()
	n := startNode(t, disk)
	epoch := n.manager.Broker().Epoch
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, disk)
	if b := n.manager.Broker(); b.PreviousEpoch != epoch || b.Epoch <= epoch {
		t.Errorf("registered %+v after epoch %d", b, epoch)
	}
}

// TestUnknownDirectoriesGoToQuarantine leaves directories of topics that the
// metadata does not know, and of one that it knows to be deleted.
func TestUnknownDirectoriesGoToQuarantine(t *testing.T) {
	fs := vfs.NewMem()
	n := startNode(t, fs)
	gone, err := n.createTopic("gone", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.deleteTopic("gone"); err != nil {
		t.Fatal(err)
	}
	kept, err := n.createTopic("kept", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	d, err := storage.Open(storage.Options{FS: fs, Dir: "data", Entries: []string{"metadata"}})
	if err != nil {
		t.Fatal(err)
	}
	stranger := meta.ID{0xee}
	for _, tp := range []storage.TopicPartition{{TopicID: gone.ID}, {TopicID: stranger}, {TopicID: kept.ID, Partition: 9}} {
		if _, err := d.OpenLog(tp.TopicID, tp.Partition, storage.Config{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(-1); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, fs)
	held, err := n.disk.Partitions()
	if err != nil {
		t.Fatal(err)
	}
	for _, tp := range held {
		if n.meta.Image().Partition(tp.TopicID, tp.Partition) == nil {
			t.Errorf("%v is still among the topics", tp)
		}
	}
	quarantined, err := fs.List("data/quarantine")
	if err != nil || len(quarantined) != 2 || strings.Contains(fmt.Sprint(quarantined), storage.TopicPartition{TopicID: gone.ID}.String()[:36]) {
		t.Errorf("in quarantine: %q, %v", quarantined, err)
	}
}

// TestLostMetadataRefusesTheStart removes the metadata under partitions: to begin a
// new cluster would make everything there is unknown.
func TestLostMetadataRefusesTheStart(t *testing.T) {
	fs := vfs.NewMem()
	if err := startNode(t, fs).close(); err != nil {
		t.Fatal(err)
	}
	if err := fs.RemoveAll("data/metadata"); err != nil {
		t.Fatal(err)
	}
	n, err := openNode(fs, storage.Always)
	if err == nil || !strings.Contains(err.Error(), "no metadata") {
		t.Errorf("opened: %v", err)
	}
	n.close()
}

// TestRetention keeps a topic small by size and by age, and honours a config that
// changes while it is open.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := openNode(vfs.NewMem(), storage.Always)
		if err != nil {
			t.Fatal(err)
		}
		defer n.close()
		p := n.newTopic(t, "a", meta.ConfigValue{Key: "segment.bytes", Value: "1024"}, meta.ConfigValue{Key: "retention.bytes", Value: "2000"},
			meta.ConfigValue{Key: "retention.ms", Value: "-1"})
		forever := n.newTopic(t, "b", meta.ConfigValue{Key: "segment.bytes", Value: "1024"}, meta.ConfigValue{Key: "cleanup.policy", Value: "compact"})
		write := func(p *Partition) {
			for range 20 {
				mustAppend(t, p, producerBatchNow(string(make([]byte, 200))))
			}
		}
		write(p)
		write(forever)
		if p.LogStart() != 0 {
			t.Fatal("deleted before its time")
		}
		time.Sleep(61 * time.Second)
		start := p.LogStart()
		if start == 0 || start > 18 {
			t.Errorf("by size the log starts at %d of %d", start, p.LogEnd())
		}
		if _, err := n.meta.AlterConfigs(t.Context(), meta.AlterConfigs{Topics: []meta.ConfigChanges{{Topic: meta.TopicRef{Name: "a"},
			Changes: []meta.ConfigChange{{Key: "retention.ms", Value: "3600000"}, {Op: meta.ConfigDelete, Key: "retention.bytes"}}}}}); err != nil {
			t.Fatal(err)
		}
		write(p)
		time.Sleep(50 * time.Minute)
		if p.LogStart() != start {
			t.Errorf("within its hour the log moved from %d to %d", start, p.LogStart())
		}
		time.Sleep(15 * time.Minute)
		if p.LogStart() <= start+15 {
			t.Errorf("after an hour the log starts at %d of %d", p.LogStart(), p.LogEnd())
		}
		if forever.LogStart() != 0 {
			t.Errorf("a compacted topic lost what is below %d", forever.LogStart())
		}
	})
}

func producerBatchNow(value string) []byte {
	h := transactional(-1, -1)
	h.Attributes, h.ProducerEpoch = 0, -1
	return producerBatch(h, time.Now().UnixMilli(), value)
}

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
