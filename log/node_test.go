package log

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

func TestCloseTwiceAndReopen(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	cluster := n.ClusterID()
	id := create(t, n.Session(SessionOptions{}), "t", 1)
	if p, err := sessionProduce(within(t), n.Session(SessionOptions{}), produceRequest("t", id, batchOf(record.Plain(), [2]string{"a", "1"}))); err != nil || p.ErrorCode != 0 {
		t.Fatal(err, p.ErrorCode)
	}
	for range 2 {
		closeNode(t, n)
	}
	again := openNode(t, fs)
	if again.ClusterID() != cluster || again.NodeID() != 1 {
		t.Fatalf("cluster %s, node %d; was %s", again.ClusterID(), again.NodeID(), cluster)
	}
	// The end was in order, and the cluster knows it.
	if b := again.replicas.Broker(); b.PreviousEpoch < 0 {
		t.Errorf("the clean-shutdown mark is missing: %+v", b)
	}
	p, err := sessionFetch(within(t), again.Session(SessionOptions{}), fetchRequest("t", id, 0))
	if err != nil || p.HighWatermark != 1 || len(p.RecordBatches) == 0 {
		t.Fatalf("%v, %+v", err, p)
	}
}

func TestAKilledNodeIsNotTakenForAClosedOne(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	create(t, n.Session(SessionOptions{}), "t", 1)
	killed := openNode(t, fs.CrashClone(seeded(t)))
	if b := killed.replicas.Broker(); b.PreviousEpoch != -1 {
		t.Errorf("registered with previous epoch %d", b.PreviousEpoch)
	}
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	check := func(what string, fs vfs.FS, o Options, words ...string) {
		t.Helper()
		o.FS, o.Logger = fs, discard()
		other, err := Open(t.Context(), o)
		if err == nil {
			closeNode(t, other)
			t.Errorf("%s: opened", what)
			return
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: nothing about %q in: %v", what, w, err)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one sentence: %v", what, err)
		}
	}
	check("a directory that is held", fs, Options{DataDir: "data"}, "data", "another process")
	closeNode(t, n)
	check("another node's directory", fs, Options{DataDir: "data", NodeID: 9}, "9")
	if err := fs.MkdirAll("data/photos"); err != nil {
		t.Fatal(err)
	}
	check("an entry that nobody knows", fs, Options{DataDir: "data"}, "photos")
	if _, err := Open(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "DataDir") {
		t.Errorf("no directory: %v", err)
	}
}

// Two topics that had one name after the other are two topics, on disk too, whatever
// kills the node in between.
func TestATopicCreatedAgainAcrossKills(t *testing.T) {
	rng := seeded(t)
	fs := vfs.NewMem()
	ids := map[[16]byte]bool{}
	for life := range 6 {
		n, err := Open(t.Context(), Options{DataDir: "data", FS: fs, Logger: discard(), strict: true})
		if err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		s := n.Session(SessionOptions{})
		if life > 0 {
			req := kmsg.NewPtrDeleteTopicsRequest()
			rt := kmsg.NewDeleteTopicsRequestTopic()
			rt.Topic = new("t")
			req.Topics, req.TimeoutMillis = append(req.Topics, rt), 10_000
			if resp, err := req.RequestWith(within(t), s); err != nil || resp.Topics[0].ErrorCode != 0 {
				t.Fatalf("life %d: %v, %+v", life, err, resp)
			}
		}
		id := create(t, s, "t", 1)
		if ids[id] {
			t.Fatalf("life %d: the topic has an id that was used", life)
		}
		ids[id] = true
		value := fmt.Sprint("life", life)
		if p, err := sessionProduce(within(t), s, produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", value}))); err != nil || p.ErrorCode != 0 || p.BaseOffset != 0 {
			t.Fatalf("life %d: %v, error %d at %d", life, err, p.ErrorCode, p.BaseOffset)
		}
		cut := fs.CrashClone(rng)
		_ = n.Close(canceled())
		fs = cut
		after := openNode(t, fs)
		if values, _ := readAll(t, after.Session(SessionOptions{}), id, 0); len(values) != 1 || values[0] != value {
			t.Fatalf("life %d: after the kill the topic holds %v", life, values)
		}
		closeNode(t, after)
	}
}

// The first sync that fails ends the node's promises: what waits gets an error, and
// the owner is told once.
func TestAFailedSyncIsFatalOnce(t *testing.T) {
	fs := vfs.NewMem()
	var told atomic.Int32
	n, err := Open(t.Context(), Options{DataDir: "data", FS: fs, Logger: discard(), strict: true, Fatal: func(error) { told.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close(canceled()) }()
	s := n.Session(SessionOptions{})
	id := create(t, s, "t", 2)
	eio := errors.New("input/output error")
	fs.Inject(func(op vfs.Op, _ string) error {
		if op == vfs.OpSyncData {
			return eio
		}
		return nil
	})
	for i := range 3 {
		req := produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", "v"}))
		req.Topics[0].Partitions[0].Partition = int32(i % 2)
		p, err := sessionProduce(within(t), s, req)
		if err != nil || p.ErrorCode == 0 {
			t.Fatalf("an append that is not on the disk: %v, error %d", err, p.ErrorCode)
		}
	}
	fs.Inject(nil)
	if got := told.Load(); got != 1 {
		t.Errorf("Fatal was called %d times", got)
	}
	if p, err := sessionProduce(within(t), s, produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", "v"}))); err != nil || p.ErrorCode == 0 {
		t.Errorf("a disk that failed once is trusted again: %v, error %d", err, p.ErrorCode)
	}
}

// TestCloseOfAFailedNode: a program that embeds a node closed it, got no error, and told
// its owner that everything was well; the metadata had failed long before.
func TestCloseOfAFailedNode(t *testing.T) {
	eio := &fs.PathError{Op: "sync", Path: "somewhere", Err: syscall.EIO}
	for _, c := range []struct{ name, dir string }{{"log", "topics"}, {"metadata", metadataDir}} {
		t.Run(c.name, func(t *testing.T) {
			disk := vfs.NewMem()
			failed := make(chan error, 1)
			n, err := Open(t.Context(), Options{DataDir: "data", FS: disk, Logger: discard(), Journal: JournalOff, Fatal: func(err error) { failed <- err }})
			if err != nil {
				t.Fatal(err)
			}
			s := n.Session(SessionOptions{})
			id := create(t, s, "t", 2)
			disk.Inject(func(op vfs.Op, name string) error {
				if op == vfs.OpSyncData && strings.Contains(name, "/"+c.dir+"/") {
					return eio
				}
				return nil
			})
			if c.name == "log" {
				_, _ = sessionProduce(within(t), s, produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", "v"})))
			} else {
				req := kmsg.NewPtrCreateTopicsRequest()
				req.TimeoutMillis = 10_000
				req.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "u", NumPartitions: 1, ReplicationFactor: -1}}
				_, _ = req.RequestWith(within(t), s)
			}
			<-failed
			disk.Inject(nil)
			for range 2 {
				if err := n.Close(within(t)); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) || strings.Contains(err.Error(), "\n") {
					t.Errorf("Close gives %v", err)
				}
			}
			after := openNode(t, disk) // the directory is free, and nothing in it says that all was well
			if _, clean := after.disk.CleanShutdown(); c.name == "log" && clean {
				t.Error("a failed disk was marked as shut down in order")
			}
		})
	}
}

// A full disk is told to producers in a way that makes them try again, and when
// there is room again they succeed.
func TestAFullDisk(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	s := n.Session(SessionOptions{})
	id := create(t, s, "t", 1)
	send := func() int16 {
		t.Helper()
		p, err := sessionProduce(within(t), s, produceRequest("t", id, batchOf(record.Plain(), [2]string{"k", strings.Repeat("v", 1000)})))
		if err != nil {
			t.Fatal(err)
		}
		return p.ErrorCode
	}
	if code := send(); code != 0 {
		t.Fatalf("error %d", code)
	}
	fs.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpWrite && strings.Contains(name, "topics") {
			return fmt.Errorf("write %s: %w", name, syscall.ENOSPC)
		}
		return nil
	})
	if code := send(); code != kerr.KafkaStorageError.Code {
		t.Errorf("on a full disk: error %d", code)
	}
	fs.Inject(nil)
	if code := send(); code != 0 {
		t.Errorf("when there is room again: error %d", code)
	}
	if values, end := readAll(t, s, id, 0); len(values) != 2 || end != 2 {
		t.Errorf("%d records, end %d", len(values), end)
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	s := n.Session(SessionOptions{})
	awaitCoordinator(t, s, "g")
	// The second member of a rebalance waits for the first, which never comes.
	join := func(instance string) chan error {
		done := make(chan error, 1)
		req := joinRequest("g", "")
		req.InstanceID, req.RebalanceTimeoutMillis = &instance, 300_000
		go func() {
			_, err := req.RequestWith(context.Background(), s)
			done <- err
		}()
		return done
	}
	if err := <-join("first"); err != nil {
		t.Fatal(err)
	}
	waits := join("second")
	closeNode(t, n)
	if err := <-waits; err != nil && !errors.Is(err, ErrClosed) {
		t.Errorf("the member that waited: %v", err)
	}
}
