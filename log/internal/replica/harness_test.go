package replica

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/millrace/millrace/log/record"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// node is a disk, metadata and partitions: what package log opens, less the wire.
type node struct {
	disk    *storage.Disk
	meta    *meta.Meta
	manager *Manager
}

// openNode opens everything in data/ of a file system.
func openNode(fs vfs.FS, policy storage.SyncPolicy) (n *node, err error) {
	ctx := context.Background()
	n = &node{}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	n.disk, err = storage.Open(storage.Options{FS: fs, Dir: "data", Entries: []string{"metadata"}, Policy: policy, Logger: quiet})
	if err != nil {
		return n, err
	}
	identity := n.disk.Identity()
	n.meta, err = meta.Open(ctx, meta.Options{FS: fs, Dir: "data/metadata", ClusterID: identity.ClusterID,
		Directory: identity.DirectoryID, Logger: quiet})
	if err != nil {
		return n, err
	}
	n.manager, err = Open(ctx, Options{Disk: n.disk, Meta: n.meta, SyncPolicy: policy.String(), Logger: quiet})
	return n, err
}

// close ends a node in order, as far as it got.
func (n *node) close() error {
	epoch := int64(-1)
	if n.manager != nil {
		epoch = n.manager.Broker().Epoch
		if err := n.manager.Close(context.Background()); err != nil {
			return err
		}
	}
	if n.meta != nil {
		if err := n.meta.Close(); err != nil {
			return err
		}
	}
	if n.disk != nil {
		return n.disk.Close(epoch)
	}
	return nil
}

func startNode(t *testing.T, fs vfs.FS) *node {
	t.Helper()
	n, err := openNode(fs, storage.Always)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// createTopic makes a topic and returns it when its partitions are open.
func (n *node) createTopic(name string, partitions int32, configs ...meta.ConfigValue) (*meta.Topic, error) {
	ctx := context.Background()
	rs, err := n.meta.CreateTopics(ctx, meta.CreateTopics{Topics: []meta.NewTopic{
		{Name: name, Partitions: partitions, ReplicationFactor: -1, Configs: configs}}})
	if err != nil {
		return nil, err
	}
	if rs[0].Err != nil {
		return nil, rs[0].Err
	}
	return rs[0].Topic, n.manager.Sync(ctx, n.meta.Image().Index())
}

func (n *node) deleteTopic(name string) error {
	ctx := context.Background()
	rs, err := n.meta.DeleteTopics(ctx, meta.DeleteTopics{Topics: []meta.TopicRef{{Name: name}}})
	if err != nil {
		return err
	}
	if rs[0].Err != nil {
		return rs[0].Err
	}
	return n.manager.Sync(ctx, n.meta.Image().Index())
}

// newTopic is createTopic for a test, and its partition 0.
func (n *node) newTopic(t *testing.T, name string, configs ...meta.ConfigValue) *Partition {
	t.Helper()
	topic, err := n.createTopic(name, 1, configs...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.manager.Partition(topic.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// batch is a record batch of values, without a producer.
func batch(values ...string) []byte { return producerBatch(record.Plain(), 1000, values...) }

func producerBatch(h record.Header, timestampMs int64, values ...string) []byte {
	var b record.Builder
	for i, v := range values {
		b.Append(timestampMs+int64(i), nil, []byte(v), nil)
	}
	return append([]byte(nil), b.Finish(h)...)
}

// transactional is the header of producer pid's batch in a transaction.
func transactional(pid int64, sequence int32) record.Header {
	return record.Header{LeaderEpoch: -1, ProducerID: pid, BaseSequence: sequence, Attributes: record.AttrTransactional}
}

var allAcks = AppendOptions{Acks: AcksAll, LeaderEpoch: -1}

func mustAppend(t *testing.T, p *Partition, b []byte) Result {
	t.Helper()
	r, err := p.Append(t.Context(), b, allAcks)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// values are the records that a reader gets from offset on, in as many fetches as
// it takes, as "offset:value", markers and aborted records included.
func values(t *testing.T, p *Partition, offset int64, iso Isolation) []string {
	t.Helper()
	list := []string{}
	for {
		r, err := p.Fetch(offset, 1<<20, iso, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Batches) == 0 {
			return list
		}
		list = append(list, recordsOf(t, r.Batches)...)
		offset = endOf(r.Batches)
	}
}

func recordsOf(t *testing.T, batches []byte) []string {
	t.Helper()
	list := []string{}
	for len(batches) > 0 {
		var r record.Reader
		if err := r.Reset(batches); err != nil {
			t.Fatal(err)
		}
		for rec := (record.Record{}); r.Next(&rec); {
			value := string(rec.Value)
			if r.Header().Control() {
				value = "marker"
			}
			list = append(list, fmt.Sprintf("%d:%s", rec.Offset, value))
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		batches = batches[r.Header().Size():]
	}
	return list
}

// within is a context that ends a test that would hang.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
