package storage

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// journaled is an entry of a journal that is replayed: where its batches stand.
type journaled struct {
	file  vfs.File
	pos   int64
	size  int
	epoch int32
	base  int64 // where the log ended before it
	end   int64 // where it ended after it
	last  bool  // of the last round, which may not have ended
}

// read is the batches.
func (e *journaled) read() ([]byte, error) {
	b := make([]byte, e.size)
	if n, err := e.file.ReadAt(b, e.pos); n < len(b) {
		return nil, fmt.Errorf("read %s: %w", e.file.Name(), err)
	}
	return b, nil
}

// journalContents is what a crash has left in the journal.
type journalContents struct {
	dir     string
	files   []vfs.File
	salt    [8]byte
	records []journalRecord
	logs    map[TopicPartition][]journaled
}

// journalRecord is a whole record in one of the files.
type journalRecord struct {
	recordHead
	file vfs.File
	pos  int64 // of its payload
}

func (j *journalContents) close() {
	for _, f := range j.files {
		_ = f.Close() // it was only read
	}
}

// readJournal finds what is to be replayed, log by log. What a crash may leave is
// a last record that is torn or missing, and files that were not finished. Anything
// else is damage to what was acknowledged, and refuses the start.
func readJournal(fsys vfs.FS, dir string) (*journalContents, error) {
	j := &journalContents{dir: dir, logs: map[TopicPartition][]journaled{}}
	names, err := fsys.List(dir + "/" + journalDir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, vfs.TempSuffix) {
			continue
		}
		if _, err := strconv.ParseUint(name, 10, 32); err != nil || len(name) != 6 {
			j.close()
			return nil, refuse(dir, "has %q in its journal, which needs a newer version of millrace", name)
		}
		if err = j.readFile(fsys, name); err != nil {
			break
		}
	}
	if err == nil {
		err = j.order()
	}
	if errors.Is(err, errFrame) || errors.Is(err, errNewer) {
		err = refuseJournal(dir, err)
	}
	if err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

// refuseJournal says what can be done about a journal that cannot be replayed.
func refuseJournal(dir string, err error) error {
	if errors.Is(err, errNewer) {
		return refuse(dir, "needs a newer version of millrace (%v)", err)
	}
	return refuse(dir, "has a damaged journal (%v): acknowledged batches are in it; restore the directory from a backup, "+
		"or move %s away to start with what the partitions themselves hold", err, journalDir)
}

// readFile finds the whole records of a file. It looks at every page, so that what
// follows a damaged record is seen.
func (j *journalContents) readFile(fsys vfs.FS, name string) error {
	f, err := fsys.Open(j.dir + "/" + journalDir + "/" + name)
	if err != nil {
		return err
	}
	j.files = append(j.files, f)
	size, err := f.Size()
	if err != nil {
		return err
	}
	page := make([]byte, journalPage)
	if n, err := f.ReadAt(page, 0); err != nil && err != io.EOF {
		return err
	} else {
		page = page[:n]
	}
	salt, want, err := decodeJournalHeader(page)
	switch {
	case err != nil:
		return fmt.Errorf("%s/%s: %w", journalDir, name, err)
	case want != size:
		return fmt.Errorf("%w: %s/%s has %d bytes of %d", errFrame, journalDir, name, size, want)
	case len(j.files) > 1 && salt != j.salt:
		return fmt.Errorf("%w: %s/%s is of another journal than the files before it", errFrame, journalDir, name)
	}
	j.salt = salt
	return j.scan(f, size)
}

func (j *journalContents) scan(f vfs.File, size int64) error {
	page, buf := make([]byte, journalPage), []byte(nil)
	for pos := int64(journalPage); pos < size; {
		n, err := f.ReadAt(page[:min(journalPage, size-pos)], pos)
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s: %w", f.Name(), err)
		}
		h, ok := parseRecordHead(page[:n], j.salt, size-pos)
		if !ok {
			pos += journalPage
			continue
		}
		buf = slices.Grow(buf[:0], recordHeader+int(h.length))[:recordHeader+int(h.length)]
		if n, err := f.ReadAt(buf, pos); n < len(buf) {
			return fmt.Errorf("read %s: %w", f.Name(), err)
		}
		if !recordIsWhole(buf) {
			pos += journalPage
			continue
		}
		j.records = append(j.records, journalRecord{h, f, pos + recordHeader})
		pos += inPages(len(buf))
	}
	return nil
}

// order puts the records that are needed in the order of their rounds, and checks
// that none is missing.
func (j *journalContents) order() error {
	slices.SortFunc(j.records, func(a, b journalRecord) int {
		if a.round < b.round {
			return -1
		}
		return 1
	})
	if len(j.records) == 0 {
		return nil
	}
	last := j.records[len(j.records)-1]
	first := len(j.records)
	for first > 0 && j.records[first-1].round >= last.oldest {
		first--
	}
	next := last.oldest
	for _, r := range j.records[first:] {
		if r.round != next {
			return fmt.Errorf("%w: round %d of %d to %d is missing", errFrame, next, last.oldest, last.round)
		}
		next++
		if err := j.take(&r, r.round == last.round); err != nil {
			return err
		}
	}
	if next != last.round+1 {
		return fmt.Errorf("%w: it ends at round %d before it begins at %d", errFrame, last.round, last.oldest)
	}
	return nil
}

// take sorts a record's entries by log.
func (j *journalContents) take(r *journalRecord, last bool) error {
	payload := make([]byte, r.length)
	if n, err := r.file.ReadAt(payload, r.pos); n < len(payload) {
		return fmt.Errorf("read %s: %w", r.file.Name(), err)
	}
	err := walkEntries(payload, r.count, func(e journalEntry, at int) error {
		if e.kind == entryForget {
			delete(j.logs, e.log)
			return nil
		}
		end, err := e.end()
		j.logs[e.log] = append(j.logs[e.log], journaled{r.file, r.pos + int64(at), len(e.batches), e.epoch, e.base, end, last})
		return err
	})
	if err != nil {
		return fmt.Errorf("round %d: %w", r.round, err)
	}
	return nil
}

// end checks an entry's batches and is the offset after them.
func (e *journalEntry) end() (end int64, err error) {
	end = e.base
	for rest := e.batches; len(rest) > 0; {
		h, err := record.Check(rest, record.Limits{Sparse: true})
		if err != nil {
			return 0, fmt.Errorf("%w: batch of %v after offset %d: %v", errFrame, e.log, end, err)
		}
		if h.BaseOffset < end || h.BaseOffset > math.MaxInt64-int64(h.LastOffsetDelta)-1 {
			return 0, fmt.Errorf("%w: batch of %v at offset %d after %d", errFrame, e.log, h.BaseOffset, end)
		}
		end, rest = h.LastOffset()+1, rest[h.Size():]
	}
	return end, nil
}
