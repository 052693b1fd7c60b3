package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Files of a partition. A segment's files are named by its base offset, twenty
// digits wide so that names sort as offsets do.
const (
	logSuffix      = ".log"       // truth: batches as they were received
	indexSuffix    = ".index"     // cache, of a finished segment, as the next two
	timesSuffix    = ".timeindex" // cache
	abortedSuffix  = ".txnindex"  // cache; missing if there is no entry
	snapshotSuffix = ".snapshot"  // cache: producers before the segment's first record

	epochsFile     = "leader-epochs" // truth
	startFile      = "log-start"     // truth; missing means the first segment's base
	durableFile    = "durable-end"   // truth; of a damaged log, what its journal knew
	checkpointFile = "checkpoint"    // cache
)

// segment is one file of batches. While it is the log's last one, its fields are
// guarded by Log.mu; after that they never change but for index.
type segment struct {
	base int64
	path string // without suffix
	end  int64  // the offset after the last batch
	size int64  // bytes that readers may see

	maxMs   int64 // highest timestamp, -1 if none
	firstMs int64 // the clock at the first append, 0 while empty
	lastMs  int64 // the clock at the last append
	aborted int   // entries in its index
	// fresh is where the bytes begin that this process has appended. They were checked
	// when they came and are most likely still in memory, so as long as the segment is
	// the last one, who reads them does not check them again. All others do.
	fresh int64

	// index is in memory for the last segment and until a finished one's is written
	// to files; then it is nil and the handle loads it. Guarded by Log.mu.
	index *segmentIndex
	// snapshot is the payload of the .snapshot file until that is written.
	snapshot []byte
}

func segmentName(base int64) string { return fmt.Sprintf("%020d", base) }

func newSegment(dir string, base int64) *segment {
	return &segment{base: base, end: base, path: dir + "/" + segmentName(base), maxMs: -1, index: newSegmentIndex()}
}

// add takes a batch that was appended.
func (s *segment) add(end, sizeBytes, maxMs, nowMs int64) {
	if s.size == 0 {
		s.firstMs = nowMs
	}
	s.end, s.size, s.lastMs = end, s.size+sizeBytes, nowMs
	s.maxMs = max(s.maxMs, maxMs)
}

// parseSegmentName splits a file's name into base offset and suffix.
func parseSegmentName(name string) (base int64, suffix string, ok bool) {
	digits, rest, found := strings.Cut(name, ".")
	if !found || len(digits) != 20 {
		return 0, "", false
	}
	base, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || base < 0 {
		return 0, "", false
	}
	suffix = "." + rest
	switch suffix {
	case logSuffix, indexSuffix, timesSuffix, abortedSuffix, snapshotSuffix:
		return base, suffix, true
	}
	return 0, "", false
}

// removeSegment removes a segment's files. What is not there is no error.
func (l *Log) removeSegment(path string) error {
	return l.removeFiles(path, logSuffix, indexSuffix, timesSuffix, abortedSuffix, snapshotSuffix)
}

func (l *Log) removeFiles(path string, suffixes ...string) error {
	for _, suffix := range suffixes {
		if err := l.disk.o.FS.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return onDisk("remove segment", err)
		}
	}
	return nil
}
