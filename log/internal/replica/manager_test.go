package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
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
