package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// logVerifier reads one partition for VerifyDir.
type logVerifier struct {
	*dirVerifier
	id TopicPartition
	l  *Log // of which only paths and the reading of caches are used

	bases   []int64
	files   map[int64]string // the .log file of each, or what will be it
	sizes   map[int64]int64
	start   int64
	epochs  epochCache
	haveEp  bool
	epoch   int32 // of the last batch
	durable int64 // what is known to be on the disk
	next    int64 // where the last segment ends
	whole   bool  // nothing bad was found in it
	short   bool  // a file is shorter than the checkpoint says, which was reported
}

const (
	restoreIt = "restore the partition's directory from a replica or a backup; the node starts without this partition"
	rebuildIt = "nothing: the next start sets it aside and rebuilds it"
)

func (p *logVerifier) run() error {
	p.files, p.sizes, p.epoch = map[int64]string{}, map[int64]int64{}, -1
	for _, step := range []func() error{p.list, p.swap, p.truth, p.checkpoint} {
		if err := step(); err != nil {
			return err
		}
	}
	for i := range p.bases {
		if err := p.segment(i); err != nil {
			return err
		}
	}
	if p.whole && !p.short && p.next < p.durable { // the end is missing, and what is left is in order
		p.add(Finding{Kind: Damaged, Partition: p.id.String(), File: p.rel(segmentName(p.bases[len(p.bases)-1]) + logSuffix),
			Position: p.sizes[p.bases[len(p.bases)-1]], FirstOffset: p.next, EndOffset: p.durable,
			What: fmt.Sprintf("it ends at offset %d, and %d was on the disk", p.next, p.durable), Do: restoreIt})
	}
	return nil
}

// rel is a file's path below the data directory.
func (p *logVerifier) rel(name string) string {
	return topicsDir + "/" + p.id.String() + "/" + name
}

func (p *logVerifier) list() error {
	names, err := p.fsys.List(p.l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		base, suffix, ok := parseSegmentName(name)
		switch {
		case ok && suffix == logSuffix:
			p.bases = append(p.bases, base)
			p.files[base] = name
		case ok && suffix == snapshotSuffix:
			payload, err := readFrame(p.fsys, p.l.dir+"/"+name, kindProducers)
			if err == nil && payload != nil {
				_, _, err = decodeProducers(payload)
			}
			if err := p.file(p.id.String(), p.rel(name), CacheDamaged, err, rebuildIt); err != nil {
				return err
			}
		case ok, slices.Contains([]string{epochsFile, startFile, checkpointFile, cleanerFile, swapFile, durableFile}, name):
		case strings.HasSuffix(name, vfs.TempSuffix), strings.HasSuffix(name, cleanedSuffix):
		default:
			p.add(Finding{Kind: Unknown, Partition: p.id.String(), File: p.rel(name), What: "nobody knows such a file", Do: "move it away"})
		}
	}
	slices.Sort(p.bases)
	return nil
}

// swap takes a compaction that was interrupted as done.
func (p *logVerifier) swap() error {
	payload, err := readFrame(p.fsys, p.l.dir+"/"+swapFile, kindSwap)
	var m swapManifest
	if err == nil && payload != nil {
		m, err = decodeSwap(payload)
	}
	if err != nil {
		return p.file(p.id.String(), p.rel(swapFile), Damaged, err, restoreIt)
	}
	if payload != nil {
		p.add(Finding{Kind: Unfinished, Partition: p.id.String(), File: p.rel(swapFile), What: "the end of a compaction was interrupted", Do: "nothing: the next start finishes it"})
		if _, err := p.fsys.Stat(p.l.dir + "/" + segmentName(m.base) + cleanedSuffix); err == nil {
			p.files[m.base] = segmentName(m.base) + cleanedSuffix
		}
		p.bases = slices.DeleteFunc(p.bases, func(base int64) bool { return slices.Contains(m.replaced, base) })
	}
	for base, name := range p.files {
		info, err := p.fsys.Stat(p.l.dir + "/" + name)
		if err != nil {
			return err
		}
		p.sizes[base] = info.Size()
	}
	return nil
}

func (p *logVerifier) truth() error {
	payload, err := readFrame(p.fsys, p.l.dir+"/"+startFile, kindStart)
	if err == nil && payload != nil {
		d := decoder{b: payload}
		p.start = d.i64()
		err = d.end()
	}
	if err := p.file(p.id.String(), p.rel(startFile), Damaged, err, restoreIt); err != nil {
		return err
	}
	if payload, err = readFrame(p.fsys, p.l.dir+"/"+epochsFile, kindEpochs); err == nil && payload != nil {
		p.epochs, err = decodeEpochs(payload)
		p.haveEp = err == nil
	}
	return p.file(p.id.String(), p.rel(epochsFile), Damaged, err, restoreIt)
}

// checkpoint learns what must be there.
func (p *logVerifier) checkpoint() error {
	if n := len(p.bases); n > 1 {
		p.durable = p.bases[n-2] // invariant 3 of Log
	}
	payload, err := readFrame(p.fsys, p.l.dir+"/"+cleanerFile, kindCleaner)
	if err == nil && payload != nil {
		d := decoder{b: payload}
		d.i64()
		err = d.end()
	}
	if err := p.file(p.id.String(), p.rel(cleanerFile), CacheDamaged, err, rebuildIt); err != nil {
		return err
	}
	if payload, err = readFrame(p.fsys, p.l.dir+"/"+durableFile, kindDurable); err == nil && payload != nil {
		d := decoder{b: payload}
		p.durable = max(p.durable, d.i64())
		err = d.end()
	}
	if err := p.file(p.id.String(), p.rel(durableFile), Damaged, err, restoreIt); err != nil {
		return err
	}
	var cp *checkpoint
	if payload, err = readFrame(p.fsys, p.l.dir+"/"+checkpointFile, kindCheckpoint); err == nil && payload != nil {
		cp, err = decodeCheckpoint(payload)
	}
	if err != nil || cp == nil {
		return p.file(p.id.String(), p.rel(checkpointFile), CacheDamaged, err, rebuildIt)
	}
	p.durable = max(p.durable, cp.end)
	for i := range cp.segments {
		s := &cp.segments[i]
		if size, found := p.sizes[s.base]; s.end > p.start && (!found || size < s.size) {
			what := fmt.Sprintf("%d bytes of %d are left", size, s.size)
			if !found {
				what = "the file is missing"
			}
			p.short = true
			p.add(Finding{Kind: Damaged, Partition: p.id.String(), File: p.rel(segmentName(s.base) + logSuffix), Position: size,
				FirstOffset: s.base, EndOffset: s.end, What: what, Do: restoreIt})
		}
	}
	return nil
}

// segment reads one segment to its end, or to where no batch is any more.
func (p *logVerifier) segment(i int) error {
	base, last := p.bases[i], i == len(p.bases)-1
	name := p.files[base]
	p.report.Segments++
	f, err := p.fsys.Open(p.l.dir + "/" + name)
	if err != nil {
		return err
	}
	defer f.Close()
	s := &segment{base: base, path: p.l.dir + "/" + segmentName(base), size: p.sizes[base]}
	index := &indexVerifier{}
	if !last {
		s.end = p.bases[i+1]
		if index, err = p.index(s); err != nil {
			return err
		}
	}
	sc := newScanner(f, 0, s.size, base)
	for {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		pos := sc.pos
		h, _, err := sc.batch()
		if err == nil {
			err = p.orderly(&h)
		}
		switch {
		case err == io.EOF:
			return p.ended(i, sc, index)
		case errors.Is(err, errBad):
			p.bad(i, pos, sc, err)
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", f.Name(), err)
		}
		p.report.Batches++
		p.report.Bytes += int64(h.Size())
		index.batch(&h, base, pos)
	}
}

// orderly checks a batch's leader epoch, as recovery does.
func (p *logVerifier) orderly(h *record.Header) error {
	if h.LastOffset() < p.start || !p.haveEp {
		return nil
	}
	if h.LeaderEpoch < p.epoch || h.LeaderEpoch > p.epochs.latest() {
		return fmt.Errorf("%w: leader epoch %d at offset %d, after %d and up to %d", errBad, h.LeaderEpoch, h.BaseOffset, p.epoch, p.epochs.latest())
	}
	p.epoch = h.LeaderEpoch
	return nil
}

// ended is at a segment's end: the next one begins there.
func (p *logVerifier) ended(i int, sc *scanner, index *indexVerifier) error {
	if i+1 < len(p.bases) && sc.next != p.bases[i+1] {
		if p.bases[i+1] > p.start {
			p.bad(i, sc.pos, sc, fmt.Errorf("%w: it ends at offset %d, the next begins at %d", errBad, sc.next, p.bases[i+1]))
		}
		return nil
	}
	p.next, p.whole = sc.next, i+1 == len(p.bases)
	if index.fault != "" {
		p.add(Finding{Kind: CacheDamaged, Partition: p.id.String(), File: p.rel(segmentName(p.bases[i]) + indexSuffix), What: index.fault,
			Do: "remove it; it is rebuilt when somebody reads there"})
	}
	return nil
}

// bad reports where a segment has no batch: damage, or the end that a crash leaves.
func (p *logVerifier) bad(i int, pos int64, sc *scanner, cause error) {
	f := Finding{Kind: Damaged, Partition: p.id.String(), File: p.rel(p.files[p.bases[i]]), Position: pos,
		FirstOffset: sc.next, EndOffset: p.durable, What: cause.Error(), Do: restoreIt}
	if i+1 < len(p.bases) {
		f.EndOffset = p.bases[i+1]
	}
	if !p.report.Clean && sc.next >= p.durable {
		f.Kind, f.EndOffset = Unfinished, sc.next
		f.Do = "nothing: the next start moves what follows to " + quarantineDir + "/ and cuts it off"
	}
	f.EndOffset = max(f.EndOffset, f.FirstOffset+1)
	p.add(f)
}

// index loads a finished segment's index files, if they are there.
func (p *logVerifier) index(s *segment) (*indexVerifier, error) {
	x, name, err := p.l.loadIndex(s)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := p.file(p.id.String(), p.rel(path.Base(name)), CacheDamaged, err, rebuildIt); err != nil {
		return nil, err
	}
	v := &indexVerifier{}
	if err == nil && x != nil {
		v.left = x.offsets
	}
	return v, nil
}

// indexVerifier compares an index with the batches of its segment, in order.
type indexVerifier struct {
	left  []offsetEntry
	fault string
}

func (v *indexVerifier) batch(h *record.Header, base, pos int64) {
	for len(v.left) > 0 && int64(v.left[0].pos) < pos {
		v.fault = fmt.Sprintf("it points into a batch, at byte %d", v.left[0].pos)
		v.left = v.left[1:]
	}
	if len(v.left) > 0 && int64(v.left[0].pos) == pos {
		if int64(v.left[0].rel) != h.BaseOffset-base {
			v.fault = fmt.Sprintf("it has offset %d at byte %d, where %d is", base+int64(v.left[0].rel), pos, h.BaseOffset)
		}
		v.left = v.left[1:]
	}
}
