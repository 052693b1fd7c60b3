package meta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/millrace/millrace/internal/vfs"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Keys of the raft log in Pebble. Every value is sealed, the format's too.
//
//	f                    "millrace metadata log 1"
//	h                    hard state: term, vote, commit as uvarints
//	s                    snapshot: index, term, number of voters, voters as uvarints; sealed image
//	e | index 8 bytes    entry: term, type as uvarints; sealed batch of records
var (
	keyFormat    = []byte("f")
	keyHardState = []byte("h")
	keySnapshot  = []byte("s")
)

const logFormat = "millrace metadata log 1"

// PebbleLog is a LogStore in Pebble. What raft reads is kept in memory: all entries
// since the snapshot and some before, which Member bounds.
type PebbleLog struct {
	*raft.MemoryStorage
	db     *pebble.DB
	failed *pebbleLogger
}

// OpenPebbleLog opens the log in dir, which may be new.
func OpenPebbleLog(fsys vfs.FS, dir string, logger *slog.Logger) (*PebbleLog, error) {
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return nil, fmt.Errorf("make metadata log: %w", err)
	}
	failed := &pebbleLogger{logger: logger}
	cache := pebble.NewCache(1 << 20)
	defer cache.Unref()
	db, err := openPebble(dir, &pebble.Options{
		FS: vfs.Pebble(fsys), Cache: cache, MemTableSize: 4 << 20, Logger: failed,
		FormatMajorVersion: pebble.FormatVirtualSSTables, MaxOpenFiles: 64,
	})
	if err != nil {
		return nil, fmt.Errorf("open metadata log in %s: %w", dir, err)
	}
	l := &PebbleLog{MemoryStorage: raft.NewMemoryStorage(), db: db, failed: failed}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("metadata log in %s: %w", dir, err), db.Close())
	}
	return l, nil
}

// openPebble opens a database. Pebble panics if the disk fails while it makes one;
// a node that does not start says why in a sentence.
func openPebble(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("the disk failed: %v", p)
		}
	}()
	return pebble.Open(dir, o)
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
	}
	if err := errors.Join(batch.Commit(options), l.failed.err()); err != nil {
		return err
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

// Close closes the database.
func (l *PebbleLog) Close() error { return l.db.Close() }

// load reads everything into memory.
func (l *PebbleLog) load() error {
	format, there, err := l.get(keyFormat)
	if err != nil || !there {
		return err
	}
	if string(format) != logFormat {
		return fmt.Errorf("%w: format %q, this program knows %q: start a newer millrace", ErrUnknownRecord, format, logFormat)
	}
	state, _, err := l.get(keyHardState)
	if err != nil {
		return err
	}
	snapshot, _, err := l.get(keySnapshot)
	if err != nil {
		return err
	}
	w := Write{}
	if w.HardState, err = decodeHardState(state); err != nil {
		return err
	}
	if w.Snapshot, err = decodeSnapshot(snapshot); err != nil {
		return err
	}
	if w.Entries, err = l.loadEntries(w.Snapshot.GetMetadata().GetIndex() + 1); err != nil {
		return err
	}
	return w.ApplyTo(l.MemoryStorage)
}

func (l *PebbleLog) loadEntries(from uint64) ([]*raftpb.Entry, error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: entryKey(from), UpperBound: entryKey(1<<64 - 1)})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var entries []*raftpb.Entry
	for it.First(); it.Valid(); it.Next() {
		e, err := loadEntry(it)
		if err != nil {
			return nil, err
		}
		if want := from + uint64(len(entries)); e.GetIndex() != want {
			return nil, fmt.Errorf("%w: entry %d follows where %d should", ErrCorrupt, e.GetIndex(), want)
		}
		entries = append(entries, e)
	}
	return entries, it.Error()
}

func loadEntry(it *pebble.Iterator) (*raftpb.Entry, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	index := binary.BigEndian.Uint64(it.Key()[1:])
	payload, err := unseal(value)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", index, err)
	}
	return decodeLogEntry(index, payload)
}

// get reads a sealed value.
func (l *PebbleLog) get(key []byte) (payload []byte, there bool, err error) {
	value, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer closer.Close()
	if payload, err = unseal(value); err != nil {
		return nil, true, fmt.Errorf("key %q: %w", key, err)
	}
	return append([]byte(nil), payload...), true, nil
}
