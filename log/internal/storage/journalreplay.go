package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// replayJournal puts back into segments what they have lost of the journal, and
// empties it. No log is open yet. It may be interrupted anywhere and begun again:
// what a log has already is passed over.
func (d *Disk) replayJournal(j *journalContents) error {
	ids := slices.SortedFunc(maps.Keys(j.logs), compareLogs)
	var calls []func() error
	for _, id := range ids {
		calls = append(calls, func() error { return d.replayLog(id, j.logs[id]) })
	}
	if err := runAll(calls, d.o.SyncParallel); err != nil {
		return fmt.Errorf("replay journal: %w", err)
	}
	if len(ids) > 0 {
		d.o.Logger.Info("the journal was replayed after a crash", "dir", d.o.Dir, "rounds", len(j.records), "logs", len(ids))
	}
	return clearJournal(d.o.FS, d.o.Dir)
}

// replayLog recovers a log with what the journal has of it. A log that is damaged
// stays as it is, for a person to look at; so does what the journal has of it.
func (d *Disk) replayLog(id TopicPartition, entries []journaled) error {
	if _, err := d.o.FS.Stat(d.logDir(id)); errors.Is(err, fs.ErrNotExist) {
		return nil // deleted
	} else if err != nil {
		return err
	}
	l := newLog(d, id, Config{}.withDefaults())
	err := l.recoverWith(entries)
	if !errors.Is(err, ErrCorrupt) {
		return d.ioError(err)
	}
	if err := l.saveDurable(knownEnd(entries)); err != nil {
		return d.ioError(err)
	}
	kept, kerr := l.keepEntries(entries)
	d.o.Logger.Error("a partition is damaged; what the journal has of it is kept beside", "log", id.String(), "kept", kept, "error", err)
	return d.ioError(kerr)
}

// expect learns from the journal what the segments must have: everything below an
// entry that does not go on where the one before ended.
func (r *recovery) expect() error {
	end := int64(-1)
	for i := range r.journal {
		e := &r.journal[i]
		if e.base > end && !e.last {
			r.known = max(r.known, e.base)
		}
		end = e.end
	}
	r.durable = max(r.durable, r.known)
	return nil
}

// knownEnd is the offset up to which a log was durable for sure.
func knownEnd(entries []journaled) (end int64) {
	for i := range entries {
		if e := &entries[i]; !e.last {
			end = max(end, e.end)
		}
	}
	return end
}

var errShort = errors.New("the segments end before what was durable")

// replay appends what the segments have not. Positions fit in 32 bits although no
// segment is begun here: the whole journal is far smaller than a segment may be.
func (r *recovery) replay() (err error) {
	l := r.l
	s := l.segments[len(l.segments)-1]
	if l.end < r.known {
		return &CorruptError{File: s.path + logSuffix, Position: s.size, Durable: r.known, Cause: errShort}
	}
	var f vfs.File
	defer func() {
		if f != nil {
			err = errors.Join(err, onDisk("close segment", f.Close()))
		}
	}()
	for i := range r.journal {
		e := &r.journal[i]
		if e.base > l.end {
			// The round's other half, a sync of this segment, did not happen: nobody was
			// told of it.
			kept, err := l.keepEntries(r.journal[i:])
			l.disk.o.Logger.Warn("the unfinished end of a partition in the journal was set aside",
				"log", l.id.String(), "offset", l.end, "kept", kept)
			return onDisk("set aside journal", err)
		}
		data, err := e.read()
		if err != nil {
			return err
		}
		if f, err = r.append(f, s, data); err != nil {
			return err
		}
	}
	return nil
}

// append puts those batches of an entry at the end of the last segment that are not
// in the log.
func (r *recovery) append(f vfs.File, s *segment, data []byte) (vfs.File, error) {
	l := r.l
	interval := l.cfg.Load().IndexInterval
	for len(data) > 0 {
		h, err := record.Check(data, record.Limits{Sparse: true})
		if err != nil {
			return f, &CorruptError{File: journalDir, Durable: l.end, Cause: err}
		}
		raw := data[:h.Size()]
		data = data[h.Size():]
		if h.LastOffset() < l.end {
			continue
		}
		var marker record.Control
		if h.Control() && h.Count > 0 {
			if marker, err = record.ParseControl(raw); err != nil {
				return f, &CorruptError{File: journalDir, Durable: l.end, Cause: err}
			}
		}
		if err := r.epoch(&h); err != nil {
			return f, &CorruptError{File: journalDir, Durable: l.end, Cause: err}
		}
		if f == nil {
			if f, err = r.fsys.OpenAppend(s.path + logSuffix); err != nil {
				return nil, onDisk("open segment", err)
			}
		}
		if _, err := f.Write(raw); err != nil {
			return f, onDisk("replay journal into segment", err)
		}
		l.apply(s, &h, marker, interval, time.Now().UnixMilli())
		r.sizes[s.base] = s.size
		r.report.Replayed += int64(h.Size())
	}
	return f, nil
}

// keepEntries copies the batches of some entries to quarantine/.
func (l *Log) keepEntries(entries []journaled) (kept string, err error) {
	kept, err = l.disk.keepName(l.id.fileName(journalDir))
	if err != nil {
		return "", err
	}
	var all []byte
	for i := range entries {
		data, err := entries[i].read()
		if err != nil {
			return "", err
		}
		all = append(all, data...)
	}
	return kept, vfs.WriteFile(l.disk.o.FS, kept, all)
}

// saveDurable remembers, with a log that is damaged, that everything below an
// offset was durable. Only the journal knew.
func (l *Log) saveDurable(offset int64) error {
	return onDisk("write durable end", writeFrame(l.disk.o.FS, l.dir+"/"+durableFile, kindDurable, binary.BigEndian.AppendUint64(nil, uint64(offset))))
}

// readDurable reads it: the log stays out of service until its directory is
// restored.
func (r *recovery) readDurable() error {
	payload, err := readFrame(r.fsys, r.l.dir+"/"+durableFile, kindDurable)
	if err != nil {
		return r.refuse(durableFile, err)
	}
	if payload == nil {
		return nil
	}
	d := decoder{b: payload}
	r.known = d.i64()
	if err := d.end(); err != nil {
		return r.refuse(durableFile, err)
	}
	r.durable = max(r.durable, r.known)
	return nil
}
