package meta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/millrace/millrace/internal/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// Report is what Verify has read and found.
type Report struct {
	// Image is what a node would start with, as far as it can be told: nil if there is
	// nothing, or damage hides it.
	Image *Image
	// Entries counts those of the log, Bytes the sizes of the files that were read.
	Entries int
	Bytes   int64
	// Faults are in the order in which they were found.
	Faults []Fault
}

// maxFaults bounds what one report tells.
const maxFaults = 1000

// Verify reads everything that a metadata log holds and changes nothing: every block
// of every table, every record of what was written since, every key. It sees what Open
// would start with, and calls damaged whatever Open refuses. Whoever calls it makes
// sure that nobody has the log open. An error means that the disk cannot be read.
func Verify(fsys vfs.FS, dir string) (Report, error) {
	in, err := inspect(fsys, dir)
	return in.report, err
}

// inspection is a database, read completely.
type inspection struct {
	fsys   vfs.FS
	dir    string
	report Report

	write Write  // hard state, snapshot and the entries behind it; zero if nothing was ever saved
	saves uint64 // how many synced saves led here

	format  bool
	entries []*raftpb.Entry // all, also those that the snapshot has
}

// inspect reads a database. Opening one for writing begins with this: what Pebble
// finds damaged then, or does not find, it has partly deleted by the time it says so.
func inspect(fsys vfs.FS, dir string) (*inspection, error) {
	in := &inspection{fsys: fsys, dir: dir}
	marked, err := readMark(fsys, dir)
	if errors.Is(err, errMark) {
		in.add(Fault{Kind: Unknown, File: markFile, What: sentence(err), Do: "nothing: the next start writes it anew"})
	} else if err != nil {
		return in, err
	}
	err = in.readAll()
	if err == nil && in.saves < marked && !in.damaged() {
		err = in.short(fmt.Errorf("%w: it ends after save %d of %d", ErrCorrupt, in.saves, marked))
	}
	if err != nil && in.fault(err) {
		err = nil
	}
	return in, err
}

// damaged reports whether what is read from here on would make no sense.
func (in *inspection) damaged() bool {
	return slices.ContainsFunc(in.report.Faults, func(f Fault) bool { return f.Kind == Damaged || f.Kind == Newer })
}

// empty reports whether nothing was ever saved.
func (in *inspection) empty() bool { return in.write.Snapshot == nil }

// err is what Open says of the first fault that keeps it from starting.
func (in *inspection) err() error {
	for _, f := range in.report.Faults {
		if err := f.err(in.dir); err != nil {
			return err
		}
	}
	return nil
}

func (in *inspection) add(f Fault) {
	if len(in.report.Faults) < maxFaults {
		in.report.Faults = append(in.report.Faults, f)
	}
}

// fault takes an error as a fault, unless it is none.
func (in *inspection) fault(err error) bool {
	var have *fileError
	f, ok := faultOf(err)
	if !ok {
		return false
	}
	if errors.As(err, &have) {
		f.File, f.Position, f.What = have.file, have.position, sentence(have.cause)
	}
	in.add(f)
	return true
}

// fileError says in which file something was found.
type fileError struct {
	file     string
	position int64
	cause    error
}

func (e *fileError) Error() string { return fmt.Sprintf("%s: %v", e.file, e.cause) }
func (e *fileError) Unwrap() error { return e.cause }

// readAll opens the database for reading and goes through files and keys.
func (in *inspection) readAll() error {
	names, err := in.fsys.List(in.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := in.formatKnown(names); err != nil {
		return err
	}
	in.measure(names)
	db, quiet, err := in.open(names)
	if db == nil {
		return err
	}
	for _, step := range []func(*pebble.DB) error{in.tables, in.keys} {
		panicked, err := try(func() error { return step(db) })
		switch {
		case panicked:
			return err // who knows what of the database is locked: it is left alone
		case err != nil || in.damaged(): // keys in tables that are damaged mean nothing
			return errors.Join(err, db.Close())
		}
	}
	if _, err := try(db.Close); err != nil {
		return err
	}
	if err := quiet.err(); err != nil {
		return err
	}
	return in.connect()
}

// try takes a panic for what it is here: Pebble's opinion of the bytes that it reads.
func try(step func() error) (panicked bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			panicked, err = true, fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return false, step()
}

// open opens the database, if there is one. Settings that cannot be read do not keep
// this program from the data.
func (in *inspection) open(names []string) (*pebble.DB, *pebbleLogger, error) {
	db, quiet, err := in.openHiding("")
	if err == nil {
		return db, quiet, nil
	}
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		return nil, nil, in.nothing(names)
	}
	if _, ok := faultOf(err); !ok {
		return nil, nil, err
	}
	if db, quiet, hiddenErr := in.openHiding(optionsPrefix); hiddenErr == nil {
		in.add(Fault{Kind: Replaceable, File: newest(names, optionsPrefix), What: sentence(err), Do: advice[Replaceable], cause: err})
		return db, quiet, nil
	}
	return nil, nil, in.blame(names, err)
}

func (in *inspection) openHiding(prefix string) (*pebble.DB, *pebbleLogger, error) {
	logger := &pebbleLogger{logger: slog.New(slog.DiscardHandler)}
	o, release := pebbleOptions(readOnlyFS{vfs.Pebble(in.fsys), prefix}, logger)
	defer release()
	o.ReadOnly = true
	db, err := openPebble(in.dir, o)
	return db, logger, err
}

// keys reads every key with its own decoder.
func (in *inspection) keys(db *pebble.DB) error {
	it, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = in.key(it.Key(), value)
		}
		if err != nil && !in.fault(err) {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Error(), it.Close())
}

func (in *inspection) key(key, value []byte) (err error) {
	payload, err := unseal(value)
	switch {
	case err != nil:
	case string(key) == string(keyFormat):
		in.format = true
		if string(payload) != logFormat {
			return fmt.Errorf("%w: format %q, this program knows %q: start a newer millrace", ErrUnknownRecord, payload, logFormat)
		}
	case string(key) == string(keyHardState):
		in.write.HardState, err = decodeHardState(payload)
	case string(key) == string(keySaves):
		in.saves, err = decodeSaves(payload)
	case string(key) == string(keySnapshot):
		in.write.Snapshot, err = decodeSnapshot(append([]byte(nil), payload...))
	case len(key) == 9 && key[0] == keyEntry:
		var e *raftpb.Entry
		if e, err = decodeLogEntry(binary.BigEndian.Uint64(key[1:]), payload); err == nil {
			in.entries = append(in.entries, e)
		}
	default:
		in.add(Fault{Kind: Unknown, What: fmt.Sprintf("nobody knows a key %q", key), Do: advice[Unknown]})
	}
	if err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	return nil
}

// connect checks that what was read fits together, and makes the image of it.
func (in *inspection) connect() error {
	in.report.Entries = len(in.entries)
	w := &in.write
	if !in.format && w.HardState == nil && w.Snapshot == nil && len(in.entries) == 0 {
		return nil // Pebble has made its files, and nothing was saved
	}
	if !in.format || w.HardState == nil || w.Snapshot == nil {
		return in.short(fmt.Errorf("%w: its format, hard state or snapshot is missing", ErrCorrupt))
	}
	snapshot := w.Snapshot.GetMetadata().GetIndex()
	last, term := snapshot, w.Snapshot.GetMetadata().GetTerm()
	for i, e := range in.entries {
		index := e.GetIndex()
		if i == 0 && index > snapshot+1 || i > 0 && index != in.entries[i-1].GetIndex()+1 {
			want := snapshot + 1
			if i > 0 {
				want = in.entries[i-1].GetIndex() + 1
			}
			return in.short(fmt.Errorf("%w: entry %d follows where %d should", ErrCorrupt, index, want))
		}
		if index > snapshot {
			w.Entries = append(w.Entries, e)
			last, term = index, e.GetTerm()
		}
	}
	if s := w.HardState; s.GetCommit() < snapshot || s.GetCommit() > last || s.GetTerm() < term {
		return in.short(fmt.Errorf("%w: entry %d is committed and the term is %d, but the snapshot is at %d and the log ends at %d in term %d",
			ErrCorrupt, s.GetCommit(), s.GetTerm(), snapshot, last, term))
	}
	return in.apply()
}

// apply makes the image that a voter alone comes to: it commits all that it has.
func (in *inspection) apply() error {
	w := &in.write
	image, err := decodeImage(w.Snapshot.GetMetadata().GetIndex(), w.Snapshot.GetData())
	if err != nil {
		return err
	}
	for _, e := range w.Entries {
		records, err := entryRecords(e)
		if err != nil {
			return err
		}
		if image, err = image.Apply(e.GetIndex(), records); err != nil {
			return err
		}
	}
	if image.Feature(FeatureVersion) > 0 { // else the cluster is not made yet
		if err := checkLevel(image); err != nil {
			return err
		}
	}
	in.report.Image = image
	return nil
}
