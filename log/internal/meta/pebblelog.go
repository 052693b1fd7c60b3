package meta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	pebblefs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/millrace/millrace/internal/vfs"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Keys of the raft log in Pebble. Every value is sealed, the format's too.
//
//	f                    "millrace metadata log 1"
//	h                    hard state: term, vote, commit as uvarints
//	s                    snapshot: index, term, number of voters, voters as uvarints; sealed image
//	n                    number of synced saves as uvarint; see mark
//	e | index 8 bytes    entry: term, type as uvarints; sealed batch of records
var (
	keyFormat    = []byte("f")
	keyHardState = []byte("h")
	keySnapshot  = []byte("s")
	keySaves     = []byte("n")
)

// keyEntry begins the keys of entries.
const keyEntry = 'e'

const logFormat = "millrace metadata log 1"

// PebbleLog is a LogStore in Pebble. What raft reads is kept in memory: all entries
// since the snapshot and some before, which Member bounds.
type PebbleLog struct {
	*raft.MemoryStorage
	db     *pebble.DB
	failed *pebbleLogger
	saves  uint64 // synced ones, ever
	mark   *mark
}

// OpenPebbleLog opens the log in dir, which may be new. One that is damaged is a
// *DamageError, and is left as it is.
func OpenPebbleLog(fsys vfs.FS, dir string, logger *slog.Logger) (*PebbleLog, error) {
	return openPebbleLog(fsys, dir, false, logger)
}

// openPebbleLog is OpenPebbleLog; one that must not be new is damaged if it is.
func openPebbleLog(fsys vfs.FS, dir string, old bool, logger *slog.Logger) (*PebbleLog, error) {
	found, err := inspect(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("read metadata log: %w", err)
	}
	if old && found.empty() {
		found.fault(fmt.Errorf("%w: nothing is there, but the data directory has partitions", ErrCorrupt))
	}
	if err := found.err(); err != nil {
		return nil, err
	}
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return nil, fmt.Errorf("make metadata log: %w", err)
	}
	failed := &pebbleLogger{logger: logger}
	o, release := pebbleOptions(vfs.Pebble(fsys), failed)
	defer release()
	db, err := openPebble(dir, o)
	if err == nil {
		err = failed.err()
	}
	if err != nil {
		return nil, fmt.Errorf("open metadata log in %s: %w", dir, err)
	}
	l := &PebbleLog{MemoryStorage: raft.NewMemoryStorage(), db: db, failed: failed, saves: found.saves}
	if l.mark, err = openMark(fsys, dir, l.saves, logger); err == nil {
		err = found.write.ApplyTo(l.MemoryStorage)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metadata log in %s: %w", dir, err), l.Close())
	}
	return l, nil
}

// pebbleOptions are those of every opening. What is released is their cache.
func pebbleOptions(fsys pebblefs.FS, logger *pebbleLogger) (o *pebble.Options, release func()) {
	cache := pebble.NewCache(1 << 20)
	return &pebble.Options{
		FS: fsys, Cache: cache, MemTableSize: 4 << 20, Logger: logger,
		FormatMajorVersion: pebble.FormatVirtualSSTables, MaxOpenFiles: 64,
	}, cache.Unref
}

// Fresh reports whether nothing was ever saved.
func (l *PebbleLog) Fresh() bool {
	s, err := l.Snapshot()
	return err == nil && raft.IsEmptySnap(s)
}

// Save implements LogStore.
func (l *PebbleLog) Save(w Write) error {
	batch := l.db.NewBatch()
	defer batch.Close()
	if l.Fresh() {
		batch.Set(keyFormat, seal([]byte(logFormat)), nil)
	}
	if w.HardState != nil {
		batch.Set(keyHardState, seal(encodeHardState(w.HardState)), nil)
	}
	if w.Snapshot != nil {
		batch.Set(keySnapshot, seal(encodeSnapshot(w.Snapshot)), nil)
		if last, _ := l.LastIndex(); w.Snapshot.GetMetadata().GetIndex() > last {
			batch.DeleteRange(entryKey(0), entryKey(1<<64-1), nil)
		}
	}
	if len(w.Entries) > 0 {
		// What raft replaces it replaces to the end of the log.
		if last, _ := l.LastIndex(); w.Entries[0].GetIndex() <= last {
			batch.DeleteRange(entryKey(w.Entries[0].GetIndex()), entryKey(last+1), nil)
		}
		for _, e := range w.Entries {
			batch.Set(entryKey(e.GetIndex()), seal(encodeLogEntry(e)), nil)
		}
	}
	if w.Compact > 0 {
		batch.DeleteRange(entryKey(0), entryKey(w.Compact+1), nil)
	}
	options := pebble.NoSync
	if w.Sync {
		options = pebble.Sync
		l.saves++
		batch.Set(keySaves, seal(binary.AppendUvarint(nil, l.saves)), nil)
	}
	if err := errors.Join(batch.Commit(options), l.failed.err()); err != nil {
		return err
	}
	if w.Sync {
		l.mark.set(l.saves)
	}
	return w.ApplyTo(l.MemoryStorage)
}

// ApplyTo makes the change in a MemoryStorage, which is how stores answer raft.
func (w Write) ApplyTo(to *raft.MemoryStorage) error {
	if w.HardState != nil {
		if err := to.SetHardState(w.HardState); err != nil {
			return err
		}
	}
	if w.Snapshot != nil {
		if err := rememberSnapshot(to, w.Snapshot); err != nil {
			return err
		}
	}
	if err := to.Append(w.Entries); err != nil {
		return err
	}
	if first, _ := to.FirstIndex(); w.Compact >= first {
		return to.Compact(w.Compact)
	}
	return nil
}

// rememberSnapshot tells a snapshot of the member's own, which keeps the log, from
// one that replaces it.
func rememberSnapshot(to *raft.MemoryStorage, s *raftpb.Snapshot) error {
	index := s.GetMetadata().GetIndex()
	if last, _ := to.LastIndex(); index > last {
		return to.ApplySnapshot(s)
	}
	_, err := to.CreateSnapshot(index, s.GetMetadata().GetConfState(), s.GetData())
	return err
}

// Err is what Pebble failed of, in the background perhaps; nil while all is well.
func (l *PebbleLog) Err() error { return l.failed.err() }

// Close closes the database.
func (l *PebbleLog) Close() error {
	err := l.db.Close()
	if l.mark != nil {
		err = errors.Join(err, l.mark.close())
	}
	return err
}
