package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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

	noEpochs  bool        // the file leader-epochs is missing
	lastEpoch int32       // of the batch read last
	journal   []journaled // nil but while the journal is replayed
	known     int64       // everything below was durable, as the journal has or had it
	report    Recovery
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
		disk: d, id: id, dir: d.logDir(id), stagedEnd: -1,
		cleaning: newIOLock(), keeping: newIOLock(), writing: newIOLock(), syncing: newIOLock(),
	}
	l.cfg.Store(&c)
	return l
}

// recover fills a new Log from its directory. Nobody else uses it yet.
func (l *Log) recover() error { return l.recoverWith(nil) }

// recoverWith also puts back what the journal has.
func (l *Log) recoverWith(journal []journaled) error {
	r := &recovery{l: l, fsys: l.disk.o.FS, sizes: map[int64]int64{}, lastEpoch: -1, journal: journal}
	l.producers = newProducerTable()
	for _, step := range []func() error{
		r.resumeSwap, r.list, r.truth, r.loadCheckpoint, r.first, r.compare, r.expect, r.build, r.scan, r.replay, r.finish,
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
		case strings.HasSuffix(name, vfs.TempSuffix), strings.HasSuffix(name, cleanedSuffix):
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
		case ok, name == epochsFile, name == startFile, name == checkpointFile, name == cleanerFile, name == durableFile:
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
	r.noEpochs = payload == nil
	return r.readDurable()
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
		r.durable = max(r.durable, r.bases[n-2]) // invariant 3 of Log
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
// files, or reads it. Then it also gets a snapshot: the next one's producers are read
// from there on, and not for each of many segments from the same place.
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
	x, rebuilt, err := r.l.readIndex(s, f, func(producers []byte) error {
		err := writeFrame(r.fsys, s.path+snapshotSuffix, kindProducers, producers)
		if isFull(err) {
			return nil
		}
		return onDisk("write producer snapshot", err)
	})
	if err != nil {
		return err
	}
	if rebuilt {
		r.report.Scanned += s.size
	}
	s.maxMs, s.aborted, s.index = x.maxMs, len(x.aborted), nil
	return nil
}
