package meta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/wal"
	"github.com/millrace/millrace/internal/vfs"
)

// Names of Pebble's files, as far as they matter here.
const (
	optionsPrefix  = "OPTIONS-"
	manifestMarker = "marker.manifest." // then a number and the name of the manifest
	formatMarker   = "marker.format-version."
	tableSuffix    = ".sst"
	walSuffix      = ".log"
)

// formatKnown refuses a database that a newer Pebble has changed.
func (in *inspection) formatKnown(names []string) error {
	marker := newest(names, formatMarker)
	version, err := strconv.Atoi(marker[strings.LastIndexByte(marker, '.')+1:])
	if err == nil && version > int(pebble.FormatNewest) {
		return fmt.Errorf("%w: format %d of the database, this program knows %d: start a newer millrace", ErrUnknownRecord, version, pebble.FormatNewest)
	}
	return nil
}

// newest is the last of the names that begin so: Pebble numbers them in six digits.
func newest(names []string, prefix string) string {
	last := ""
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			last = name
		}
	}
	return last
}

// nothing decides what it means that there is no database: before the first start of
// a node there is nothing that one could have written.
func (in *inspection) nothing(names []string) error {
	for _, name := range names {
		info, err := in.fsys.Stat(in.dir + "/" + name)
		if err != nil {
			return err
		}
		if (strings.HasSuffix(name, tableSuffix) || strings.HasSuffix(name, walSuffix)) && info.Size() > 0 {
			return fmt.Errorf("%w: %s is there, but not the file %s*, which says what belongs to it", ErrCorrupt, name, manifestMarker)
		}
	}
	return nil
}

func (in *inspection) measure(names []string) {
	for _, name := range names {
		if info, err := in.fsys.Stat(in.dir + "/" + name); err == nil && !info.IsDir() {
			in.report.Bytes += info.Size()
		}
	}
}

// tables checks every block of the tables that belong to the database. Pebble itself
// reads most of them only when it needs them.
func (in *inspection) tables(db *pebble.DB) error {
	levels, err := db.SSTables()
	if err != nil {
		return err
	}
	for _, level := range levels {
		for _, t := range level {
			name := t.BackingSSTNum.String() + tableSuffix
			if err := in.table(name); err != nil && !in.fault(err) {
				return err
			}
		}
	}
	return nil
}

// table checks one of them.
func (in *inspection) table(name string) (err error) {
	defer func() {
		// What stands behind the last block says where the blocks are, and has no checksum
		// of its own.
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
		if err != nil {
			err = &fileError{file: name, cause: err}
		}
	}()
	f, err := vfs.Pebble(in.fsys).Open(in.dir + "/" + name)
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	o := &pebble.Options{}
	o.EnsureDefaults()
	reading := o.MakeReaderOptions()
	number(&reading.CacheOpts.FileNum, name) // for messages
	r, err := sstable.NewReader(context.Background(), readable, reading)
	if err != nil {
		return errors.Join(err, readable.Close())
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

// number sets Pebble's number of a file, whose type has no public name.
func number[T ~uint64](n *T, name string) {
	if parsed, err := strconv.ParseUint(strings.TrimSuffix(name, tableSuffix), 10, 64); err == nil {
		*n = T(parsed)
	}
}

// short says which file is likely to be the reason for something that is missing.
func (in *inspection) short(cause error) error {
	names, err := in.fsys.List(in.dir)
	if err != nil {
		return err
	}
	return in.blame(names, cause)
}

// blame looks for the file that a database cannot be opened for, or is incomplete
// for: the first that does not end where its last record does.
func (in *inspection) blame(names []string, cause error) error {
	for _, name := range names {
		if strings.HasSuffix(name, tableSuffix) && strings.Contains(cause.Error(), strings.TrimSuffix(name, tableSuffix)) {
			if err := in.table(name); err != nil {
				return err
			}
		}
	}
	marker := newest(names, manifestMarker)
	if i := strings.Index(marker, "MANIFEST-"); i >= 0 {
		if at, ended := in.manifest(marker[i:]); !ended {
			return &fileError{marker[i:], at, fmt.Errorf("%w: no record of the database's files can be read from there on", cause)}
		}
	}
	logs, err := wal.Scan(wal.Dir{FS: vfs.Pebble(in.fsys), Dirname: in.dir})
	if err != nil {
		return cause
	}
	for _, l := range logs {
		if at, ended := readWAL(l); !ended {
			_, file := l.SegmentLocation(0)
			return &fileError{file[strings.LastIndexByte(file, '/')+1:], at, fmt.Errorf("%w: no record can be read from there on", cause)}
		}
	}
	return cause
}

// manifest reads a manifest up to its last record. ended is false if something
// follows that is none.
func (in *inspection) manifest(name string) (at int64, ended bool) {
	f, err := vfs.Pebble(in.fsys).Open(in.dir + "/" + name)
	if err != nil {
		return 0, !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	r := record.NewReader(f, 0)
	for {
		at = r.Offset()
		one, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, one)
		}
		if err != nil {
			return at, errors.Is(err, io.EOF)
		}
	}
}

// readWAL reads a write-ahead log in the same way.
func readWAL(l wal.LogicalLog) (at int64, ended bool) {
	r := l.OpenForRead()
	defer r.Close()
	for {
		one, offset, err := r.NextRecord()
		if err == nil {
			_, err = io.Copy(io.Discard, one)
		}
		at = offset.Physical
		if err != nil {
			return at, errors.Is(err, io.EOF)
		}
	}
}
