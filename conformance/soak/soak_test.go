package soak

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

var (
	forFlag     = flag.Duration("soak.for", 10*time.Second, "how long clients run and the node is killed")
	seedFlag    = flag.Uint64("soak.seed", 0, "seed of what clients do and when the node is killed (0: a new one)")
	syncFlag    = flag.String("soak.sync", "always", "the node's --sync: always, interval or os; SIGKILL loses nothing with any")
	keepFlag    = flag.String("soak.keep", "", "folder for the history, the node's log and its data, of a run that failed (default: a new one in the system's folder for temporary files)")
	programFlag = flag.String("soak.program", "", "the millrace program to run (default: one that is built now)")
	checkFlag   = flag.String("soak.check", "", "instead of a run check the history in this file")
)

// patience is how long clients may take to end, once the node is not killed any more.
const patience = 2 * time.Minute

// TestSoak is a run, and what the checker says of it.
func TestSoak(t *testing.T) {
	if *checkFlag != "" {
		h, err := readHistory(*checkFlag)
		if err != nil {
			t.Fatal(err)
		}
		judge(t, h)
		return
	}
	if testing.Short() {
		t.Skip("half a minute")
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	t.Logf("-soak.seed=%d -soak.for=%v -soak.sync=%s", seed, *forFlag, *syncFlag)
	n := newNode(t, *programFlag, *syncFlag)
	h := newHistory(seed, *syncFlag)
	soak(t, n, h)
	judge(t, h)
	if t.Failed() {
		keep(t, n, h)
	}
}

// judge tells what the checker finds.
func judge(t *testing.T, h *history) {
	t.Helper()
	v := check(h)
	for _, what := range slices.Sorted(maps.Keys(v.counts)) {
		t.Logf("%8d %s", v.counts[what], what)
	}
	for _, fault := range v.Faults {
		t.Error(fault)
	}
}

// keep saves what is needed to find out what happened.
func keep(t *testing.T, n *node, h *history) {
	dir := *keepFlag
	if dir == "" {
		dir, _ = os.MkdirTemp("", "soak-")
	}
	path, err := h.save(dir)
	if err == nil {
		err = os.CopyFS(filepath.Join(dir, "data"), os.DirFS(n.dir))
	}
	if said, rerr := os.ReadFile(n.said.Name()); rerr == nil {
		_ = os.WriteFile(filepath.Join(dir, "log"), said, 0o644)
	}
	t.Logf("the history is in %s, the data directory beside it (%v); check again with -soak.check=%s", path, err, path)
}

// soak starts a node and its clients, kills the one while the others work, lets them
// end, reads everything and stops.
func soak(t *testing.T, n *node, h *history) {
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	r := &run{h: h, seed: h.Seed, addr: n.addr, failed: t.Errorf, slow: pace(*forFlag)}
	hurry, cut := context.WithCancel(context.Background())
	defer cut()
	ctx, over := context.WithCancel(hurry)
	defer over()
	r.ctx, r.hurry = ctx, hurry
	boss := &actor{run: r, name: "boss", rng: r.rng(), seqs: map[partition]int{}}
	cl := boss.client()
	defer cl.Close()
	boss.makeTopics(t, kadm.NewClient(cl))
	r.startAll()
	alive := r.killFor(t, n, boss.rng, *forFlag)
	over()
	if alive {
		defer time.AfterFunc(patience, cut).Stop()
	} else {
		cut()
	}
	for group := range transformed {
		boss.drain(t, cl, group)
	}
	r.clients.Wait()
	ended := h.now()
	if hurry.Err() == nil {
		boss.lastLook(t, cl)
	}
	t.Logf("clients ended after %v, everything was read again after %v", ended.Round(time.Millisecond), h.now().Round(time.Millisecond))
	if already := n.stop(syscall.SIGTERM); already {
		t.Errorf("the node had ended by itself:\n%s", n.tell())
	}
	if err := n.verify(); err != nil {
		t.Error(err)
	}
}

// pace is how long clients pause at most: the history of a long run has to fit into
// memory too.
func pace(length time.Duration) time.Duration {
	return min(max(50*time.Millisecond, length/2400), 500*time.Millisecond)
}

// topics are those of every run; each has what its configs say. Churners make more.
var topics = map[string]struct {
	topic
	configs string
}{
	"plain": {topic{Partitions: 3}, "segment.bytes=4096"},
	"exact": {topic{Partitions: 3}, "segment.bytes=1024"},
	"short": {topic{Partitions: 2, Retained: true}, "segment.bytes=1024 retention.bytes=40000"},
	"brief": {topic{Partitions: 2, Retained: true}, "segment.bytes=16384 segment.ms=2000 retention.ms=20000"},
	"keys": {topic{Partitions: 2, Compacted: true, DeleteRetention: 5 * time.Second},
		"segment.bytes=16384 cleanup.policy=compact min.cleanable.dirty.ratio=0.01 delete.retention.ms=5000"},
	"wide": {topic{Partitions: 48}, "segment.bytes=4096"},
	"txn":  {topic{Partitions: 3}, "segment.bytes=2048"},
	"in":   {topic{Partitions: 3}, "segment.bytes=8192"},
	"out":  {topic{Partitions: 4}, "segment.bytes=8192"},
}

// watched are the groups that only read, and transformed those that write outputs,
// each with its topic.
var (
	watched     = map[string]string{"classic": "exact", "modern": "exact"}
	transformed = map[string]string{transforms + "-classic": "in", transforms + "-modern": "in"}
)

func (a *actor) makeTopics(t *testing.T, adm *kadm.Client) {
	for name, is := range topics {
		configs := map[string]*string{}
		for _, kv := range strings.Fields(is.configs) {
			k, v, _ := strings.Cut(kv, "=")
			configs[k] = &v
		}
		if _, err := adm.CreateTopic(a.ctx, is.Partitions, 1, configs, name); err != nil {
			t.Fatalf("create %s: %v", name, err)
		}
		a.h.addTopic(name, is.topic)
	}
}

// all are the partitions of topics.
func all(names ...string) (ps []partition) {
	for _, name := range names {
		for i := range topics[name].Partitions {
			ps = append(ps, partition{name, i})
		}
	}
	return ps
}

// startAll starts the clients, always in the same order: each draws from a seed of its
// own.
func (r *run) startAll() {
	old := kgo.MaxVersions(kversion.V3_7_0()) // transactions of version 1, classic groups
	modern := []kgo.Opt{kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer()}
	three := map[string]int32{"txn": 3, "keys": 2}

	r.start("plain-a", plainWriter("plain", 3))
	r.start("plain-b", plainWriter("plain", 3))
	r.start("exact-a", exactWriter("exact", 3, 10))
	r.start("exact-b", exactWriter("exact", 3, 30, kgo.ProducerBatchCompression(kgo.Lz4Compression())))
	r.start("short-a", exactWriter("short", 2, 10, kgo.ProducerBatchCompression(kgo.NoCompression())))
	r.start("brief-a", exactWriter("brief", 2, 3))
	r.start("wide-a", exactWriter("wide", 48, 60))
	r.start("keys-a", keyWriter("keys", 2))
	r.start("keys-b", keyWriter("keys", 2))
	r.start("feeder", exactWriter("in", 3, 10))
	r.start("txn-a", txnWriter(three, "keys"))
	r.start("txn-b", txnWriter(map[string]int32{"txn": 3, "plain": 3}, ""))
	r.start("txn-old", txnWriter(three, "keys", old))
	for i := range 2 {
		r.start(fmt.Sprint("transformer-classic-", i), transformer(transforms+"-classic", "in", "out", 4, old))
		r.start(fmt.Sprint("transformer-modern-", i), transformer(transforms+"-modern", "in", "out", 4, modern...))
		r.start(fmt.Sprint("member-classic-", i), member("classic", "exact"))
		r.start(fmt.Sprint("member-modern-", i), member("modern", "exact", modern...))
	}
	everything := all("plain", "exact", "short", "brief", "keys", "wide", "txn", "in", "out")
	narrow := all("plain", "exact", "short", "brief", "keys", "keys", "txn", "in", "out")
	r.start("tail-committed", tail(everything, true))
	r.start("tail-uncommitted", tail(everything, false))
	r.start("scanner-a", scanner(narrow))
	r.start("scanner-b", scanner(everything))
	groups := maps.Clone(watched)
	maps.Copy(groups, transformed)
	r.start("watcher", watcher(groups))
	r.start("trimmer", trimmer(all("plain", "exact", "txn")))
	r.start("churner-a", churner("churn-a", 2))
	r.start("churner-b", churner("churn-b", 5))
}

// life draws how long the node lives: some lives end while it takes over, some last
// until old segments were compacted (15 s) or retention has looked (60 s).
func life(rng *rand.Rand, left time.Duration) time.Duration {
	switch n := rng.IntN(100); {
	case n < 15:
		return time.Duration(rng.Int64N(int64(300 * time.Millisecond)))
	case n < 75 || left < 20*time.Second:
		return time.Second + time.Duration(rng.Int64N(int64(4*time.Second)))
	case n < 94 || left < 80*time.Second:
		return 16*time.Second + time.Duration(rng.Int64N(int64(15*time.Second)))
	}
	return 61*time.Second + time.Duration(rng.Int64N(int64(10*time.Second)))
}

// killFor kills the node with SIGKILL and starts it again, until the time is over;
// then it runs, or has failed.
func (r *run) killFor(t *testing.T, n *node, rng *rand.Rand, length time.Duration) (alive bool) {
	longest := time.Duration(0)
	for end := time.Now().Add(length); time.Now().Before(end); {
		left := time.Until(end)
		time.Sleep(min(life(rng, left), left))
		if !r.kill(t, n) {
			return false
		}
		for rng.IntN(4) == 0 { // and again, before it could say anything
			if err := n.begin(); err != nil {
				t.Error(err)
				return false
			}
			time.Sleep(time.Duration(rng.Int64N(int64(250 * time.Millisecond))))
			if !r.kill(t, n) {
				return false
			}
		}
		if rng.IntN(5) == 0 {
			if err := n.verify(); err != nil { // what a crash leaves is no damage
				t.Errorf("after SIGKILL: %v", err)
			}
		}
		if rng.IntN(3) == 0 {
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
		}
		began := time.Now()
		if err := n.start(); err != nil {
			t.Errorf("start after SIGKILL: %v", err)
			return false
		}
		longest = max(longest, time.Since(began))
	}
	t.Logf("the longest start took %v", longest.Round(time.Millisecond))
	return true
}

func (r *run) kill(t *testing.T, n *node) bool {
	begin := r.h.now()
	if already := n.stop(syscall.SIGKILL); already {
		t.Errorf("the node had ended by itself:\n%s", n.tell())
		return false
	}
	r.h.add(begin, event{Who: "killer", Killed: true})
	return true
}

// drained are the groups that have read all of their input.
type drained struct{ of [2]atomic.Bool }

// done says whether a group's member can end: the run is over, and there is no input.
func (a *actor) done(group string) bool {
	return a.hurry.Err() != nil || a.over() && a.drained.of[a.drained.index(group)].Load()
}

func (d *drained) index(group string) int { return strings.Count(group, "modern") }

// drain waits until a group has read all of its input.
func (a *actor) drain(t *testing.T, cl *kgo.Client, group string) {
	adm := kadm.NewClient(cl)
	topic := transformed[group]
	defer a.drained.of[a.drained.index(group)].Store(true)
	for a.hurry.Err() == nil {
		ends, err1 := adm.ListEndOffsets(a.hurry, topic)
		offsets, err2 := adm.FetchOffsetsForTopics(a.hurry, group, topic)
		behind := 0
		ends.Each(func(o kadm.ListedOffset) {
			if at, _ := offsets.Lookup(topic, o.Partition); o.Err != nil || at.Err != nil || at.At != o.Offset {
				behind++
			}
		})
		if err1 == nil && err2 == nil && behind == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("group %s did not come to the end of its input within %v after the last kill", group, patience)
}

// lastLook reads everything when nobody writes any more.
func (a *actor) lastLook(t *testing.T, cl *kgo.Client) {
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		for _, p := range all(name) {
			a.scan(a.hurry, cl, scan{in: p, final: true})
			a.scan(a.hurry, cl, scan{in: p, committed: true, final: true})
		}
	}
	for _, groups := range []map[string]string{watched, transformed} {
		for group, topic := range groups {
			if err := a.lookAt(a.hurry, cl, group, topic, true); err != nil {
				t.Errorf("offsets of %s: %v", group, err)
			}
		}
	}
}

// real is the name that a topic has for the node: what stands behind # says which of
// several that had the name after each other.
func real(name string) string {
	name, _, _ = strings.Cut(name, "#")
	return name
}
