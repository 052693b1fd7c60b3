package storage

import (
	"fmt"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// Journal files are made in the background, one before it is needed: filling one
// takes as long as many rounds.

// fileRetry is how long a disk without room for a file is left alone.
const fileRetry = 10 * time.Second

// want asks for a file, unless there are enough.
func (j *journal) want() {
	j.mu.Lock()
	wanted := j.spare == nil && !j.wanted && j.made < j.d.o.JournalFiles && (j.failed.IsZero() || time.Since(j.failed) >= fileRetry)
	j.wanted = j.wanted || wanted
	j.mu.Unlock()
	if wanted {
		j.d.settle.poke()
	}
}

// takeSpare is a file that was never used, nil if there is none: then it is on its
// way, if there may be more.
func (j *journal) takeSpare() *journalFile {
	if j.d.o.Journal == JournalOn {
		j.want()
		j.provide()
	}
	j.mu.Lock()
	f := j.spare
	if f != nil {
		j.spare = nil
		j.files = append(j.files, f)
	}
	j.mu.Unlock()
	if f == nil {
		j.want()
	}
	return f
}

// provide makes the file that is wanted. Without room on the disk there is none,
// and rounds sync segments.
func (j *journal) provide() {
	j.mu.Lock()
	slot := j.made
	wanted := j.wanted
	j.wanted = false
	if wanted {
		j.made++ // nobody else takes the name
	}
	j.mu.Unlock()
	if !wanted {
		return
	}
	f, err := j.make(slot)
	j.mu.Lock()
	if err == nil {
		j.spare = f
	} else {
		j.made--
		j.failed = time.Now()
	}
	j.mu.Unlock()
	if err != nil && !isFull(err) {
		_ = j.d.fail(fmt.Errorf("make journal file: %w", err))
	}
}

// make fills a new file. It gets its name when it is whole, so that a file with
// that name always has a header.
func (j *journal) make(slot int) (*journalFile, error) {
	size := j.d.o.JournalFileBytes
	if j.d.free.Load() < j.d.o.MinFreeBytes+uint64(size) {
		return nil, fmt.Errorf("a journal file of %d bytes: %w", size, syscall.ENOSPC)
	}
	fsys, dir := j.d.o.FS, j.d.o.Dir+"/"+journalDir
	name := fmt.Sprintf("%s/%06d", dir, slot)
	if err := fill(fsys, name+vfs.TempSuffix, encodeJournalHeader(j.salt, size), size); err != nil {
		_ = fsys.Remove(name + vfs.TempSuffix) // its name says that it is garbage
		return nil, err
	}
	if err := fsys.Rename(name+vfs.TempSuffix, name); err != nil {
		return nil, err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, err
	}
	f, err := fsys.OpenWrite(name)
	if err != nil {
		return nil, err
	}
	j.d.spend(int(size))
	return &journalFile{f: f, size: size}, nil
}

// fill writes a file of zeros behind its header. Blocks that were written once are
// the file's: a sync of what replaces them writes no metadata, and needs no space.
func fill(fsys vfs.FS, name string, header []byte, size int64) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	zeros := make([]byte, min(size, 1<<20))
	_, err = f.Write(header)
	for at := int64(len(header)); at < size && err == nil; {
		n, werr := f.Write(zeros[:min(int64(len(zeros)), size-at)])
		at, err = at+int64(n), werr
	}
	if err == nil {
		err = f.SyncData()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
