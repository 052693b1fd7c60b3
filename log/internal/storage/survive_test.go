package storage

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// batchStart is where the batch that holds an offset begins.
func batchStart(batches []keptBatch, offset int64) int64 {
	start := int64(0)
	for _, b := range batches {
		if b.base <= offset {
			start = b.base
		}
	}
	return start
}

// crashExpect is what must be true after a crash.
type crashExpect struct {
	batches             []keptBatch
	floor               int64
	startLow, startHigh int64
}

func (e *crashExpect) check(fs *vfs.Mem, rng *rand.Rand, options func(*Options), again int) error {
	bare := fs.CrashClone(rng) // all of it is durable: a copy
	var second *vfs.Mem
	if again > 0 {
		left := rng.IntN(30)
		fs.Inject(func(op vfs.Op, _ string) error {
			if op.Changes() {
				if left--; left == 0 {
					second = fs.CrashClone(rng)
				}
			}
			return nil
		})
	}
	n, l, err := e.open(fs, options)
	if err != nil {
		return err
	}
	fs.Inject(nil)
	got := describe(l)
	if err := n.Close(-1); err != nil {
		return err
	}
	if err := dropCaches(bare, e.startHigh == 0, rng); err != nil {
		return err
	}
	n, l, err = e.open(bare, options)
	if err != nil {
		return fmt.Errorf("without caches: %w", err)
	}
	if again := describe(l); again != got {
		return fmt.Errorf("with caches:\n%s\nwithout:\n%s\n%s", got, again, n.logs)
	}
	if err := n.Close(-1); err != nil {
		return err
	}
	if second != nil {
		if err := e.check(second, rng, options, again-1); err != nil {
			return fmt.Errorf("crash during recovery: %w", err)
		}
	}
	return nil
}

// checkKill starts again after a kill, and cuts the power once the log is open.
func (e *crashExpect) checkKill(fs *vfs.Mem, rng *rand.Rand, options func(*Options)) error {
	n, l, err := e.open(fs, options)
	if err != nil {
		return err
	}
	after := *e
	after.floor, after.startLow, after.startHigh = l.LogEnd(), l.LogStart(), l.LogStart()
	clone := fs.CrashClone(rng)
	if err := n.Close(-1); err != nil {
		return err
	}
	n, _, err = after.open(clone, options)
	if err != nil {
		return fmt.Errorf("power cut after a kill: %w", err)
	}
	return n.Close(-1)
}

// open recovers a disk and compares its log with what may be there.
func (e *crashExpect) open(fs *vfs.Mem, options func(*Options)) (*node, *Log, error) {
	n, err := tryDisk(fs, options)
	if err != nil {
		return nil, nil, err
	}
	l, err := n.OpenLog(topic, 0, crashConfig())
	if err != nil {
		return nil, nil, err
	}
	start, end := l.LogStart(), l.LogEnd()
	if start < e.startLow || start > e.startHigh {
		return nil, nil, fmt.Errorf("starts at %d, expected %d to %d", start, e.startLow, e.startHigh)
	}
	if end < e.floor {
		return nil, nil, fmt.Errorf("ends at %d, %d was durable; %+v", end, e.floor, l.Recovery())
	}
	return n, l, e.compare(l, start, end)
}

func (e *crashExpect) compare(l *Log, start, end int64) error {
	rest := e.batches
	for len(rest) > 1 && rest[1].base <= start {
		rest = rest[1:]
	}
	for offset := start; offset < end; {
		data, err := l.Read(offset, 1, end)
		if err != nil {
			return err
		}
		h, err := record.Check(data, record.Limits{})
		if err != nil {
			return err
		}
		if len(rest) == 0 || rest[0].base != h.BaseOffset || !bytes.Equal(rest[0].body, data[16:]) {
			return fmt.Errorf("the batch at offset %d is not the one that was appended", h.BaseOffset)
		}
		rest, offset = rest[1:], h.LastOffset()+1
	}
	return nil
}

// describe is everything a log knows besides its records.
func describe(l *Log) string {
	var out strings.Builder
	start, end := l.LogStart(), l.LogEnd()
	fmt.Fprintf(&out, "offsets %d to %d, last stable %d, epoch %d\n", start, end, l.LastStable(end), l.LeaderEpoch())
	for _, p := range l.Producers() {
		fmt.Fprintf(&out, "producer %+v\n", p)
	}
	aborted, err := l.AbortedTransactions(start, end)
	fmt.Fprintln(&out, "aborted", aborted, err)
	for offset := start; offset <= end; offset += 5 {
		fmt.Fprint(&out, " ", l.EpochAt(offset))
	}
	for _, ms := range []int64{0, 1001, 1002} {
		at, ok, err := l.OffsetForTimestamp(ms, end)
		fmt.Fprintln(&out, "\ntime", ms, at, ok, err)
	}
	at, ok, err := l.MaxTimestamp()
	fmt.Fprintln(&out, "highest", at, ok, err)
	return out.String()
}

// dropCaches removes or damages files that can be rebuilt. Producer snapshots can
// only where the log has its first record.
func dropCaches(fs *vfs.Mem, snapshotsToo bool, rng *rand.Rand) error {
	dir := "/data/topics/" + TopicPartition{topic, 0}.String()
	names, err := fs.List(dir)
	if err != nil {
		return nil // cut before there was a partition
	}
	for _, name := range names {
		_, suffix, isSegment := parseSegmentName(name)
		cache := name == checkpointFile || isSegment && suffix != logSuffix
		if !cache || suffix == snapshotSuffix && !snapshotsToo {
			continue
		}
		if rng.IntN(3) == 0 {
			if err := flipBit(fs, dir+"/"+name, rng); err != nil {
				return err
			}
		} else if err := fs.Remove(dir + "/" + name); err != nil {
			return err
		}
	}
	return nil
}

// flipBit damages a file in one place.
func flipBit(fs vfs.FS, name string, rng *rand.Rand) error {
	b, err := vfs.ReadFile(fs, name, 1<<30)
	if err != nil || len(b) == 0 {
		return err
	}
	b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	return vfs.WriteFile(fs, name, b)
}
