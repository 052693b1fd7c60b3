package storage

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// afterRename calls back after a file was renamed and before anybody knows.
type afterRename struct {
	vfs.FS
	then func(from string)
}

func (f *afterRename) Rename(from, to string) error {
	err := f.FS.Rename(from, to)
	if err == nil && f.then != nil {
		f.then(from)
	}
	return err
}

// withoutCaches is a log of three finished segments of which the last lacks the files
// that describe it, and the others the snapshots if they are not wanted.
func withoutCaches(t *testing.T, fs vfs.FS, snapshots bool) *Log {
	t.Helper()
	n := openDisk(t, fs)
	l := openTestLog(t, n, Config{Compact: true, SegmentBytes: 2500}) // no two make one
	for range 3 {
		for range 5 {
			mustAppend(t, l, keyed(record.Plain(), "a", strings.Repeat("x", 300)))
		}
		rollNow(t, l)
	}
	gone := []string{l.segments[2].path + indexSuffix, l.segments[2].path + timesSuffix, l.segments[2].path + snapshotSuffix}
	if !snapshots {
		gone = append(gone, l.segments[1].path+snapshotSuffix)
	}
	for _, name := range gone {
		if err := fs.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// A reader that found no index of a segment, and no state of the producers before it,
// read the segments before that one by their names. Compaction, in another goroutine,
// had just put another file under such a name: so a partition in which nothing was
// wrong was reported as damaged, and was out of service until the next start. Nothing
// saw it because segments must have been rolled faster than their caches are written,
// and a reader come in the moment between the rename and when the log shows the new
// segment.
func TestIndexIsRebuiltWhileSegmentsBeforeItAreReplaced(t *testing.T) {
	fs := &afterRename{FS: vfs.NewMem()}
	l := withoutCaches(t, fs, false)
	last := l.segments[2].base
	reads := 0
	fs.then = func(from string) {
		if !strings.HasSuffix(from, cleanedSuffix) {
			return
		}
		reads++
		if data, err := l.Read(last, 1<<20, l.LogEnd()); err != nil || len(data) == 0 {
			t.Errorf("read %d bytes, %v", len(data), err)
		}
	}
	mustClean(t, l, time.Now())
	if reads == 0 {
		t.Fatal("nothing was replaced: the test tests nothing")
	}
}

// beforeOpen calls back before a file is opened.
type beforeOpen struct {
	vfs.FS
	then func(name string)
}

func (f *beforeOpen) Open(name string) (vfs.File, error) {
	if f.then != nil {
		f.then(name)
	}
	return f.FS.Open(name)
}

// The same with a deletion of records: who read something that was not deleted was
// told that his offset is out of range, and may have begun anew somewhere else.
func TestIndexIsRebuiltWhileSegmentsBeforeItAreDeleted(t *testing.T) {
	fs := &beforeOpen{FS: vfs.NewMem()}
	l := withoutCaches(t, fs, false)
	first, second, last := l.segments[0], l.segments[1].base, l.segments[2].base
	deleted := false
	fs.then = func(name string) {
		if deleted || name != first.path+logSuffix {
			return
		}
		deleted = true
		if _, err := l.DeleteRecords(second); err != nil {
			t.Error(err)
		}
	}
	if data, err := l.Read(last, 1<<20, l.LogEnd()); err != nil || len(data) == 0 {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	if !deleted {
		t.Fatal("the first segment was not asked for: the test tests nothing")
	}
}

// A rebuilt index needs the producers before its segment, and they were told from the
// log's start on, again for each segment: a consumer that came to a few hundred segments
// without caches had the whole log read for each of them.
func TestIndexIsRebuiltFromTheNearestSnapshot(t *testing.T) {
	fs := &beforeOpen{FS: vfs.NewMem()}
	l := withoutCaches(t, fs, true)
	opened := map[string]bool{}
	fs.then = func(name string) { opened[name] = true }
	if _, err := l.Read(l.segments[2].base, 1<<20, l.LogEnd()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, true} {
		if path := l.segments[i].path + logSuffix; opened[path] != want {
			t.Errorf("segment %d opened=%v, want %v", i, opened[path], want)
		}
	}
}

// After a crash a log without a checkpoint (compaction had just removed it) was read
// from the same old snapshot on for every segment without caches: with three thousand
// small segments the node needed minutes to start.
func TestRecoveryReadsEachSegmentWithoutCachesOnce(t *testing.T) {
	mem := vfs.NewMem()
	n := openDisk(t, mem)
	l := openTestLog(t, n, Config{SegmentBytes: 2500})
	const segments = 20
	for i := range segments {
		mustAppend(t, l, producerBatch(7, 0, int32(i), true, "x"))
		if i%2 == 1 {
			mustMark(t, l, record.Abort, 7, 0, 1)
		}
		rollNow(t, l)
	}
	mustAppend(t, l, producerBatch(7, 0, segments, true, "last"))
	want, err := l.AbortedTransactions(0, l.LogEnd())
	if err != nil {
		t.Fatal(err)
	}
	durable(t, l, l.LogEnd())
	dir, all := l.dir, l.segments
	if err := n.Close(-1); err != nil {
		t.Fatal(err)
	}
	gone := []string{dir + "/" + checkpointFile}
	for _, s := range all[1 : segments-1] {
		gone = append(gone, s.path+indexSuffix, s.path+timesSuffix, s.path+abortedSuffix, s.path+snapshotSuffix)
	}
	for _, name := range gone {
		if err := mem.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	opened := 0
	counting := &beforeOpen{FS: mem, then: func(name string) {
		if strings.HasSuffix(name, logSuffix) {
			opened++
		}
	}}
	l = openTestLog(t, openDisk(t, counting, func(o *Options) { o.MaxOpenSegments = 1 }), Config{SegmentBytes: 2500})
	if most := 4 * segments; opened > most {
		t.Errorf("%d segments were opened %d times, more than %d", segments, opened, most)
	}
	if p, found, err := l.snapshotAt(all[10]); err != nil || !found || p.byID[7].touchedMs == 0 {
		t.Errorf("the producer before segment 10 is %+v (%v, %v): it would expire at once", p.byID[7], found, err)
	}
	if got, err := l.AbortedTransactions(0, l.LogEnd()); err != nil || !slices.Equal(got, want) {
		t.Errorf("aborted are %v, %v, want %v", got, err, want)
	}
}

// Where deletion has taken the producers' last batches and their snapshot, what is read
// of the rest is no snapshot: recovery would prefer it to a later one that knows more.
func TestRecoveryWritesNoSnapshotOfWhatItGuesses(t *testing.T) {
	mem := vfs.NewMem()
	n := openDisk(t, mem)
	l := openTestLog(t, n, Config{SegmentBytes: 2500})
	for i := range int32(8) {
		mustAppend(t, l, producerBatch(int64(7+i), 0, 0, false, "x"))
		rollNow(t, l)
	}
	durable(t, l, l.LogEnd())
	if _, err := l.DeleteRecords(l.segments[2].base); err != nil {
		t.Fatal(err)
	}
	dir, all := l.dir, l.segments
	if err := n.Close(-1); err != nil {
		t.Fatal(err)
	}
	gone := []string{dir + "/" + checkpointFile}
	for _, s := range all[:len(all)-1] {
		gone = append(gone, s.path+indexSuffix, s.path+snapshotSuffix)
	}
	for _, name := range gone {
		if err := mem.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	l = openTestLog(t, openDisk(t, mem), Config{SegmentBytes: 2500})
	for i := range int64(8) {
		if p, known := l.Producer(7 + i); !known || p.LastSequence != 0 {
			t.Errorf("producer %d is %+v, known=%v", 7+i, p, known)
		}
	}
}
