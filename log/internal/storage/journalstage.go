package storage

import "github.com/millrace/millrace/log/record"

// What the next round may write to the journal is copied at append time: reading a
// thousand segments back would cost more than the journal saves. The copy lives
// from the append to the end of the round after it, and is bounded twice; what
// does not fit has its segment synced instead.
const (
	// maxStagedAppend is the largest append that is copied. Above it writing the
	// bytes twice costs as much as syncing one more file.
	maxStagedAppend = 32 << 10
	// maxStaged bounds a round. While rounds do not go to the journal, staging is
	// only there to notice that they should: maxStagedIdle is enough for that.
	maxStaged     = 2 << 20
	maxStagedIdle = 64 << 10
)

// staging is the next round's record: room for its header, then entries.
type staging struct {
	buf   []byte
	count uint32
}

// reset empties it and keeps its memory.
func (s *staging) reset() {
	s.buf, s.count = s.buf[:0], 0
}

// entry begins an entry.
func (s *staging) entry(kind entryKind, id TopicPartition, epoch int32, base int64, size int) {
	if len(s.buf) == 0 {
		s.buf = append(s.buf, make([]byte, recordHeader)...)
	}
	s.buf = appendEntryHeader(s.buf, kind, id, epoch, base, size)
	s.count++
}

// remove takes out all entries of some logs.
func (s *staging) remove(logs map[TopicPartition]bool) {
	if s.count == 0 {
		return
	}
	payload, count := s.buf[recordHeader:], s.count
	s.buf, s.count = s.buf[:recordHeader], 0
	// They are moved to the front of the memory they are read from.
	_ = walkEntries(payload, count, func(e journalEntry, at int) error { // they are our own
		if !logs[e.log] {
			s.buf = append(s.buf, payload[at-entryHeader:at+len(e.batches)]...)
			s.count++
		}
		return nil
	})
}

// stage copies the planned batches, which are in the segment and shown, for the
// journal. base is where the log ended before them. Needs writing, so that entries
// of a log are in its order.
func (l *Log) stage(batches []byte, origin Origin, base int64) {
	c := l.disk.commit
	if c.journal == nil {
		return
	}
	first, last := &l.planned[0].header, &l.planned[len(l.planned)-1].header
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enqueue(l)
	if l.unstaged || len(batches) > maxStagedAppend || len(c.staged.buf)+entryHeader+len(batches) > c.stageLimit {
		l.unstaged = true
		return
	}
	if l.stagedEnd < 0 {
		l.stagedBase = base
	}
	c.staged.entry(entryBatches, l.id, first.LeaderEpoch, base, len(batches))
	at := len(c.staged.buf)
	c.staged.buf = append(c.staged.buf, batches...)
	if origin != Replication {
		for i := range l.planned {
			p := &l.planned[i]
			p.header.Put(c.staged.buf[at : at+record.HeaderSize])
			at += len(p.raw)
		}
	}
	l.stagedEnd = last.LastOffset() + 1
}
