package engine

import (
	"log/slog"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/statestore"
)

// TestRestoreFrom: the tail of the changelog is replayed from a checkpoint that it
// reaches back to, and that is younger than the tombstones which compaction has
// taken; otherwise the partition is restored from the start, over nothing.
func TestRestoreFrom(t *testing.T) {
	for _, test := range []struct {
		name     string
		age      time.Duration
		logStart int64
		want     int64
	}{
		{"in reach", time.Minute, 50, 50},
		{"behind the log's start", time.Minute, 51, 0},
		{"older than tombstones", tombstoneRetention, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, err := statestore.Open(statestore.Options{FS: vfs.NewMem(), Dir: "/s", Identity: statestore.Identity{Pipeline: "p", Partitions: 1}, MemoryBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			task, err := store.Task([]int32{0})
			if err != nil {
				t.Fatal(err)
			}
			if err := task.Load(); err != nil {
				t.Fatal(err)
			}
			at := statestore.Position{Offset: 50, Epoch: 1, Time: time.Now().Add(-test.age)}
			if err := task.Checkpoint(map[int32]statestore.Position{0: at}); err != nil {
				t.Fatal(err)
			}
			p := &Pipeline{logger: slog.New(slog.DiscardHandler)}
			if from, err := p.restoreFrom(task, 0, test.logStart); err != nil || from != test.want {
				t.Fatalf("from %d, %v, not %d", from, err, test.want)
			}
			if _, kept := task.Position(0); kept != (test.want != 0) {
				t.Errorf("the checkpoint is kept: %v", kept)
			}
		})
	}
}
