package meta

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

var (
	crashSeed  = flag.Uint64("crash-seed", 0, "first seed of the crash test; 0 draws one")
	crashSeeds = flag.Int("crash-seeds", 20, "seeds that the crash test tries")
)

// TestCrashIsNoDamage is the other side of the tests of damage: what a power cut or a
// kill leaves is never called damaged, and is what was acknowledged, perhaps with the
// one change that was under way. Each seed lives several times on one disk, with a
// snapshot every few entries; most lives end at a random call of the file system, also
// in the middle of the next opening: by a power cut, a kill, or, once it is open, a disk
// that is full from there on.
func TestCrashIsNoDamage(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for i := range uint64(*crashSeeds) {
		t.Run(fmt.Sprintf("-crash-seed=%d", seed+i), func(t *testing.T) {
			crashLives(t, rand.New(rand.NewPCG(seed+i, 3)))
		})
	}
}

func crashLives(t *testing.T, rng *rand.Rand) {
	disk := vfs.NewMem()
	may := []string{""} // the topics that there may be
	for life := byte(1); life <= 6; life++ {
		e := &end{how: []string{"power cut", "kill", "full disk"}[rng.IntN(3)], at: 1 + rng.Int64N(400), rng: rand.New(rand.NewPCG(rng.Uint64(), 4))}
		disk.Inject(func(op vfs.Op, name string) error { return e.call(disk, op, name) })
		what := fmt.Sprintf("life %d, %s at call %d", life, e.how, e.at)
		may = crashLife(t, disk, life, rng, what, may, e)
		disk.Inject(nil)
		if next := e.left.Load(); next != nil {
			disk = next
		}
		r, err := Verify(disk, metaDir)
		if err != nil || refusals(r) > 0 {
			t.Fatalf("after %s: %v %+v", what, err, r.Faults)
		}
	}
}

// end is how and when a life ends.
type end struct {
	how   string
	at    int64
	rng   *rand.Rand
	calls atomic.Int64
	came  atomic.Bool
	open  atomic.Bool
	left  atomic.Pointer[vfs.Mem] // the disk of the next life, nil if it is the same
}

func (e *end) call(disk *vfs.Mem, op vfs.Op, name string) error {
	n := e.calls.Add(1)
	full := e.how == "full disk" && e.open.Load() && n >= e.at
	if full {
		e.came.Store(true)
	}
	if n == e.at && e.how != "full disk" {
		e.came.Store(true)
		switch e.how {
		case "power cut":
			e.left.Store(disk.CrashClone(e.rng))
		case "kill":
			e.left.Store(disk.KillClone())
		}
	}
	if full && (op == vfs.OpCreate || op == vfs.OpWrite || op == vfs.OpWriteAt || op == vfs.OpMkdirAll) {
		return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
	}
	return nil
}

// crashLife opens, checks, makes and deletes topics until the end, and closes. It
// returns what the next life may find.
func crashLife(t *testing.T, disk *vfs.Mem, life byte, rng *rand.Rand, what string, may []string, e *end) []string {
	t.Helper()
	o := testOptions(disk)
	o.snapshotEvery = 5
	o.Source = rand.New(rand.NewPCG(rng.Uint64(), 5))
	m, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	e.open.Store(true)
	defer func() {
		if err := m.Close(); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", what, err)
		}
	}()
	now := topicNames(m.Image())
	if !slices.Contains(may, now) {
		t.Fatalf("%s: there is %q, not one of %q", what, now, may)
	}
	if e.came.Load() {
		return may // what it has found was perhaps not durable yet
	}
	may = []string{now}
	if _, err := m.RegisterBroker(t.Context(), testBroker(life)); err != nil && !e.came.Load() {
		t.Fatal(err)
	}
	for i := 0; i < 25 && !e.came.Load(); i++ {
		before := topicNames(m.Image())
		name := fmt.Sprintf("t%02d", rng.IntN(12))
		change := changeTopic(m, name, 1+rng.Int32N(3))
		switch {
		case change != nil && !e.came.Load():
			t.Fatal(change)
		case e.came.Load():
			may = []string{before, topicNames(m.Image()), toggled(before, name)}
		default:
			may = []string{topicNames(m.Image())}
		}
	}
	return may
}

// changeTopic makes a topic, or deletes it if it is there.
func changeTopic(m *Meta, name string, partitions int32) error {
	ctx := context.Background()
	if m.Image().TopicByName(name) != nil {
		_, err := m.DeleteTopics(ctx, DeleteTopics{Topics: []TopicRef{{Name: name}}})
		return err
	}
	rs, err := m.CreateTopics(ctx, CreateTopics{Topics: []NewTopic{{Name: name, Partitions: partitions, ReplicationFactor: -1}}})
	if err == nil {
		err = rs[0].Err
	}
	return err
}

func topicNames(im *Image) string {
	var names []string
	for topic := range im.Topics() {
		if !topic.Internal {
			names = append(names, topic.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// toggled are names after a change of one.
func toggled(names, name string) string {
	list := strings.Fields(names)
	if i := slices.Index(list, name); i >= 0 {
		return strings.Join(slices.Delete(list, i, i+1), " ")
	}
	list = append(list, name)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestFullDiskAtTheStart: a node that is killed while its disk is full is started again,
// as services are. Pebble makes a table of what it finds in its write-ahead log, and
// where it cannot it tries again: the start never ended, took a whole core, wrote a
// megabyte of warnings a second, and did not hear SIGTERM. It says why it does not start.
func TestFullDiskAtTheStart(t *testing.T) {
	disk := livedDisks(t)["killed"]
	want, err := imageOf(disk.KillClone())
	if err != nil {
		t.Fatal(err)
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO} {
		for _, at := range []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpSyncData} {
			clone := disk.KillClone()
			clone.Inject(func(op vfs.Op, name string) error {
				if op == at && strings.HasSuffix(name, tableSuffix) {
					return &fs.PathError{Op: op.String(), Path: name, Err: errno}
				}
				return nil
			})
			if _, err := imageOf(clone); !errors.Is(err, errno) || errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s at %s: %v", errno, at, err)
			}
			next := clone.KillClone() // another process
			if r := verifyUnchanged(t, next); refusals(r) > 0 {
				t.Errorf("%s at %s: %+v", errno, at, r.Faults)
			}
			if got, err := imageOf(next); err != nil || got != want {
				t.Errorf("%s at %s, with room again: %v", errno, at, err)
			}
		}
	}
}
