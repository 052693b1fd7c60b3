package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// recovery reads a partition's directory back into a Log.
//
// What a crash can leave is a tail: batches that were not synced may be missing,
// torn, or there. What it cannot leave is damage before that. So recovery first
// learns from the checkpoint and from the segments' names up to where data is
// known to be durable. Damage below is nobody's torn tail: the log is refused and
// nothing is touched. Damage above ends the log: the rest is moved to quarantine/,
// then cut off.
//
//	truth   leader epochs, log start             damaged: refused
//	cache   checkpoint, indexes, snapshots       damaged: set aside and rebuilt
//	data    from the checkpoint on               checked batch by batch
//
// Everything that is kept is synced before the log opens: after a mere kill the
// bytes are there, but only in the kernel's memory.
type recovery struct {
	l       *Log
	fsys    vfs.FS
	bases   []int64 // of the .log files found, ordered
	sizes   map[int64]int64
	cp      *checkpoint // nil: none that can be used
	start   int64       // as the file log-start has it
	durable int64       // everything below is known to be on the disk
	guessed bool        // producers began with nothing, behind deleted records
	report  Recovery
}

// openLog makes or recovers a log.
func openLog(d *Disk, id TopicPartition, c Config) (*Log, error) {
	l := newLog(d, id, c)
	if err := vfs.MkdirAll(d.o.FS, l.dir); err != nil {
		return nil, d.ioError(onDisk("make directory", err))
	}
	if err := l.recover(); err != nil {
		return nil, d.ioError(err)
	}
	return l, nil
}

func newLog(d *Disk, id TopicPartition, c Config) *Log {
	l := &Log{
		disk: d, id: id, dir: d.logDir(id),
		keeping: newIOLock(), writing: newIOLock(), syncing: newIOLock(),
	}
	l.cfg.Store(&c)
	return l
}

// recover fills a new Log from its directory. Nobody else uses it yet.
func (l *Log) recover() error {
	r := &recovery{l: l, fsys: l.disk.o.FS, sizes: map[int64]int64{}}
	l.producers = newProducerTable()
	for _, step := range []func() error{
		r.list, r.truth, r.loadCheckpoint, r.first, r.compare, r.build, r.scan, r.finish,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	l.recovery = r.report
	return nil
}

// list finds the segments and removes what interrupted replacements have left.
func (r *recovery) list() error {
	names, err := r.fsys.List(r.l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		base, suffix, ok := parseSegmentName(name)
		switch {
		case strings.HasSuffix(name, vfs.TempSuffix):
			if err := r.fsys.Remove(r.l.dir + "/" + name); err != nil {
				return onDisk("remove unfinished file", err)
			}
		case ok && suffix == logSuffix:
			info, err := r.fsys.Stat(r.l.dir + "/" + name)
			if err != nil {
				return err
			}
			r.bases = append(r.bases, base)
			r.sizes[base] = info.Size()
		case ok, name == epochsFile, name == startFile, name == checkpointFile:
		default:
			r.l.disk.o.Logger.Warn("unknown file in a partition is left alone", "log", r.l.id.String(), "name", name)
		}
	}
	slices.Sort(r.bases)
	return nil
}

// truth reads log start and leader epochs; what is damaged there cannot be
// rebuilt.
func (r *recovery) truth() error {
	payload, err := readFrame(r.fsys, r.l.dir+"/"+startFile, kindStart)
	if err != nil {
		return r.refuse(startFile, err)
	}
	if payload != nil {
		d := decoder{b: payload}
		r.l.start = d.i64()
		if err := d.end(); err != nil || r.l.start < 0 {
			return r.refuse(startFile, errFrame)
		}
		r.start = r.l.start
	}
	if payload, err = readFrame(r.fsys, r.l.dir+"/"+epochsFile, kindEpochs); err != nil {
		return r.refuse(epochsFile, err)
	}
	if payload != nil {
		if r.l.epochs, err = decodeEpochs(payload); err != nil {
			return r.refuse(epochsFile, err)
		}
	}
	return nil
}

func (r *recovery) refuse(name string, err error) error {
	if errors.Is(err, errFrame) {
		return &CorruptError{File: r.l.dir + "/" + name, Durable: r.l.start, Cause: err}
	}
	return err
}

// loadCheckpoint reads the checkpoint, or sets aside one that cannot be read.
func (r *recovery) loadCheckpoint() error {
	payload, err := readFrame(r.fsys, r.l.dir+"/"+checkpointFile, kindCheckpoint)
	if err == nil && payload != nil {
		r.cp, err = decodeCheckpoint(payload)
	}
	if err != nil {
		return r.setAside(checkpointFile, err)
	}
	return nil
}

// setAside moves a cache that cannot be used to quarantine/. Errors of the disk
// stay errors.
func (r *recovery) setAside(name string, cause error) error {
	if !errors.Is(cause, errFrame) && !errors.Is(cause, errNewer) {
		return cause
	}
	if err := r.l.setAsideCache(r.l.dir+"/"+name, name, cause); err != nil {
		return err
	}
	r.report.Rebuilt = append(r.report.Rebuilt, cause.Error())
	return nil
}

func (l *Log) setAsideCache(path, name string, cause error) error {
	kept, err := l.disk.setAside(path, l.id.fileName(name))
	if err != nil {
		return onDisk("set aside "+name, err)
	}
	l.disk.o.Logger.Warn("a cache file is damaged; it is set aside and rebuilt",
		"log", l.id.String(), "file", name, "kept", kept, "cause", cause)
	return nil
}

// first finds the first segment, or makes that of a new log.
func (r *recovery) first() error {
	if len(r.bases) > 0 {
		r.l.start = max(r.l.start, r.bases[0])
		return nil
	}
	if r.cp != nil {
		return r.missing(r.cp.last().base, "the file is missing")
	}
	return r.create(r.l.start)
}

// create makes an empty segment, durably.
func (r *recovery) create(base int64) error {
	f, err := r.fsys.Create(r.l.dir + "/" + segmentName(base) + logSuffix)
	if err != nil {
		return onDisk("begin segment", err)
	}
	if err := f.Close(); err != nil {
		return onDisk("begin segment", err)
	}
	if err := r.fsys.SyncDir(r.l.dir); err != nil {
		return onDisk("begin segment", err)
	}
	r.bases, r.sizes[base] = []int64{base}, 0
	return nil
}

func (r *recovery) missing(base int64, what string) error {
	return &CorruptError{
		File: r.l.dir + "/" + segmentName(base) + logSuffix, Position: r.sizes[base], Durable: r.cp.end, Cause: errors.New(what),
	}
}

// compare looks whether the disk still holds what the checkpoint says it does.
func (r *recovery) compare() error {
	if n := len(r.bases); n > 1 {
		r.durable = r.bases[n-2] // invariant 3 of Log
	}
	if r.cp == nil {
		return nil
	}
	r.durable = max(r.durable, r.cp.end)
	for i := range r.cp.segments {
		s := &r.cp.segments[i]
		size, found := r.sizes[s.base]
		switch {
		case s.end <= r.start: // it may have been deleted since
		case !found:
			return r.missing(s.base, "the file is missing")
		case size < s.size:
			return r.missing(s.base, fmt.Sprintf("%d bytes of %d are left", size, s.size))
		}
	}
	if r.cp.end < r.bases[0] {
		r.cp = nil // it was written before records were deleted
	}
	return nil
}

// build makes the segments as far as they are known without reading them.
func (r *recovery) build() error {
	known := map[int64]*segment{}
	if r.cp != nil {
		for i := range r.cp.segments {
			known[r.cp.segments[i].base] = &r.cp.segments[i]
		}
	}
	for i, base := range r.bases {
		s := newSegment(r.l.dir, base)
		if k := known[base]; k != nil {
			s.end, s.size, s.maxMs, s.firstMs, s.lastMs, s.aborted = k.end, k.size, k.maxMs, k.firstMs, k.lastMs, k.aborted
			s.index = nil
			if k == r.cp.last() {
				s.index = r.cp.index
			}
		} else if i+1 < len(r.bases) && r.bases[i+1] <= r.l.start {
			s.index = nil // it goes as soon as its producers are not needed any more
		} else if r.cp == nil && i+1 < len(r.bases) && r.bases[i+1] <= r.durable {
			s.end, s.size = r.bases[i+1], r.sizes[base]
			if err := r.summarize(s); err != nil {
				return err
			}
		}
		r.l.segments = append(r.l.segments, s)
	}
	return nil
}

// summarize fills a finished segment that no checkpoint knows from its index
// files, or reads it.
func (r *recovery) summarize(s *segment) error {
	info, err := r.fsys.Stat(s.path + logSuffix)
	if err != nil {
		return err
	}
	s.firstMs, s.lastMs = info.ModTime().UnixMilli(), info.ModTime().UnixMilli()
	f, err := r.fsys.Open(s.path + logSuffix)
	if err != nil {
		return err
	}
	defer f.Close()
	x, rebuilt, err := r.l.readIndex(s, f)
	if err != nil {
		return err
	}
	if rebuilt {
		r.report.Scanned += s.size
	}
	s.maxMs, s.aborted, s.index = x.maxMs, len(x.aborted), nil
	return nil
}

// scan reads what is not known, and cuts the log where no batch is any more.
func (r *recovery) scan() error {
	first, err := r.begin()
	if err != nil {
		return err
	}
	for i := first; i < len(r.l.segments); i++ {
		s := r.l.segments[i]
		if i > first {
			if err := r.between(s); err != nil {
				return err
			}
		}
		cause, err := r.scanSegment(s)
		if err != nil {
			return err
		}
		last := i == len(r.l.segments)-1
		if cause == nil && !last && r.l.segments[i+1].base != r.l.end {
			cause = fmt.Errorf("%w: it ends at offset %d, the next begins at %d", errBad, r.l.end, r.l.segments[i+1].base)
		}
		switch {
		case cause == nil:
		case !last && r.l.segments[i+1].base <= r.l.start:
			r.skip(r.l.segments[i+1].base)
		default:
			return r.cut(i, cause)
		}
	}
	return nil
}

// skip goes on behind segments below the log's start, of which an interrupted
// deletion has left only some.
func (r *recovery) skip(to int64) {
	r.l.end, r.l.producers, r.l.txns = to, newProducerTable(), txnTable{}
	r.guessed = true
}

// begin decides from which segment on batches are read, and sets the producers as
// they were there.
func (r *recovery) begin() (first int, err error) {
	l := r.l
	if r.cp != nil {
		l.producers, l.end, err = decodeProducers(r.cp.producers)
		l.txns.fromProducers(l.producers)
		for i, s := range l.segments {
			if s.base == r.cp.last().base {
				return i, err
			}
		}
		return 0, err // its last segment was deleted, and the first one begins where that ended
	}
	first = max(0, len(l.segments)-2)
	for ; first >= 0; first-- {
		if found, err := r.snapshot(l.segments[first]); err != nil {
			return 0, err
		} else if found {
			break
		}
	}
	if first < 0 { // nothing is known of producers before the first segment
		first, r.guessed = 0, l.segments[0].base > 0
	}
	for _, s := range l.segments[first:] { // they are read anew, with all that is kept in memory
		s.end, s.size, s.maxMs, s.aborted, s.index = s.base, 0, -1, 0, newSegmentIndex()
	}
	l.end = l.segments[first].base
	return first, nil
}

// snapshot reads the producers as they were before a segment, if it has a snapshot.
func (r *recovery) snapshot(s *segment) (found bool, err error) {
	payload, err := readFrame(r.fsys, s.path+snapshotSuffix, kindProducers)
	if err == nil && payload == nil {
		return false, nil
	}
	var t producerTable
	if err == nil {
		var offset int64
		t, offset, err = decodeProducers(payload)
		if err == nil && offset != s.base {
			err = fmt.Errorf("%w: snapshot of offset %d", errFrame, offset)
		}
	}
	if err != nil {
		return false, r.setAside(segmentName(s.base)+snapshotSuffix, err)
	}
	r.l.producers = t
	r.l.txns.fromProducers(t)
	return true, nil
}

// between is at a segment's first offset. Producers that were only read from what
// deletion has left are better known by the segment's snapshot, if it has one; the
// others have it written.
func (r *recovery) between(s *segment) error {
	if r.guessed {
		found, err := r.snapshot(s)
		r.guessed = !found
		if found || err != nil {
			return err
		}
	}
	s.snapshot = r.l.producers.encode(s.base)
	return nil
}

// scanSegment applies the batches after what is known of a segment. cause is why
// it does not go on to the file's end.
func (r *recovery) scanSegment(s *segment) (cause, err error) {
	size := r.sizes[s.base]
	if s.size == size {
		return nil, nil
	}
	f, err := r.fsys.Open(s.path + logSuffix)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := newScanner(f, s.size, size, r.l.end)
	interval, nowMs := r.l.cfg.Load().IndexInterval, time.Now().UnixMilli()
	for {
		h, marker, err := sc.batch()
		switch {
		case err == io.EOF:
			return nil, nil
		case errors.Is(err, errBad):
			return err, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", f.Name(), err)
		}
		r.report.Scanned += int64(h.Size())
		if h.LastOffset() >= r.l.start {
			r.l.epochs = r.l.epochs.begin(h.LeaderEpoch, max(h.BaseOffset, r.l.start))
		}
		r.l.apply(s, &h, marker, interval, nowMs)
	}
}

// cut ends the log in segment i, where there is no whole batch. Everything after
// is moved to quarantine/ first.
func (r *recovery) cut(i int, cause error) error {
	l := r.l
	s := l.segments[i]
	if l.end < r.durable {
		return &CorruptError{File: s.path + logSuffix, Position: s.size, Durable: r.durable, Cause: cause}
	}
	r.report.CutAt = l.end
	for k := len(l.segments) - 1; k > i; k-- {
		if err := r.moveSegment(l.segments[k]); err != nil {
			return err
		}
	}
	l.segments = l.segments[:i+1]
	if err := l.removeFiles(s.path, indexSuffix, timesSuffix, abortedSuffix); err != nil { // of a longer segment
		return err
	}
	if err := r.cutTail(s); err != nil {
		return err
	}
	l.disk.o.Logger.Warn("the unfinished end of a partition was cut off",
		"log", l.id.String(), "offset", l.end, "bytes", r.report.CutBytes, "kept", r.report.Kept, "cause", cause)
	return nil
}

// moveSegment sets a whole segment aside; its caches go.
func (r *recovery) moveSegment(s *segment) error {
	if r.sizes[s.base] == 0 {
		return r.l.removeSegment(s.path)
	}
	kept, err := r.l.disk.setAside(s.path+logSuffix, r.l.id.fileName(segmentName(s.base)+logSuffix))
	if err != nil {
		return onDisk("set aside segment", err)
	}
	r.report.Kept = append(r.report.Kept, kept)
	r.report.CutBytes += r.sizes[s.base]
	return r.l.removeSegment(s.path)
}

// cutTail sets aside what follows the last whole batch of a segment.
func (r *recovery) cutTail(s *segment) error {
	size := r.sizes[s.base]
	if s.size == size {
		return nil
	}
	f, err := r.fsys.OpenAppend(s.path + logSuffix)
	if err != nil {
		return onDisk("open segment", err)
	}
	kept, err := r.l.disk.copyAside(f, s.size, size, fmt.Sprintf("%s-at-%d", r.l.id.fileName(segmentName(s.base)+logSuffix), s.size))
	if err == nil {
		err = f.Truncate(s.size)
	}
	if err == nil {
		err = f.SyncData()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return onDisk("cut segment", err)
	}
	r.report.Kept = append(r.report.Kept, kept)
	r.report.CutBytes += size - s.size
	r.sizes[s.base] = s.size
	return nil
}

// finish syncs what was kept, settles the truth with it and shows the log.
func (r *recovery) finish() error {
	l := r.l
	if l.end < l.start { // a Reset was interrupted, or the policy lost what was below the start
		if err := l.forgetCheckpoint(); err != nil {
			return err
		}
		for _, s := range l.segments {
			if err := r.moveSegment(s); err != nil {
				return err
			}
		}
		if err := r.create(l.start); err != nil {
			return err
		}
		l.segments = []*segment{newSegment(l.dir, l.start)}
		l.end, l.producers, l.txns = l.start, newProducerTable(), txnTable{}
	}
	if err := r.sync(); err != nil {
		return err
	}
	l.durable, l.synced, l.announced = l.end, l.end, l.end
	if err := r.settleEpochs(); isFull(err) {
		return nil // without a checkpoint they are settled at the next start
	} else if err != nil {
		return err
	}
	isNew := len(l.segments) == 1 && l.segments[0].size == 0
	var err error
	if r.report.Scanned == 0 && r.report.CutBytes == 0 && (r.cp != nil || isNew) {
		l.checkpointEnd, l.checkpointAt = l.end, time.Now()
		err = l.finishSegments()
	} else {
		err = l.save()
	}
	if isFull(err) {
		return nil // a full disk must not keep a log from opening
	} else if err != nil {
		return err
	}
	// What a raised log start has given up goes only now: producers were read from it.
	return l.dropBelowStart()
}

// sync makes durable what was read. Files that the checkpoint covers are.
func (r *recovery) sync() error {
	if r.l.disk.clean && r.report.Scanned == 0 && r.report.CutBytes == 0 {
		return nil
	}
	for _, s := range r.l.segments {
		if r.cp != nil && s.end <= r.cp.end || s.size == 0 {
			continue
		}
		f, err := r.fsys.OpenAppend(s.path + logSuffix)
		if err != nil {
			return onDisk("open segment", err)
		}
		err = f.SyncData()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return &diskError{fmt.Errorf("sync segment: %v", err)}
		}
	}
	if err := r.fsys.SyncDir(r.l.dir); err != nil {
		return &diskError{fmt.Errorf("sync directory: %v", err)}
	}
	return nil
}

// settleEpochs removes epochs of what was cut and adds those of what was read.
func (r *recovery) settleEpochs() error {
	l := r.l
	c := l.epochs.cutEnd(l.end + 1).cutStart(l.start)
	payload, err := readFrame(r.fsys, l.dir+"/"+epochsFile, kindEpochs)
	if err != nil {
		return err
	}
	l.epochs = c
	if string(payload) == string(c.encode()) || payload == nil && len(c) == 0 {
		return nil
	}
	return l.storeEpochs(c)
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
