package storage

import (
	"github.com/millrace/millrace/log/record"
)

// publish shows the planned batches, which are in the file, to everyone. base is
// where the log ended before. Needs writing.
func (l *Log) publish(nowMs int64) (base int64) {
	cfg := l.cfg.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	base = l.end
	s := l.segments[len(l.segments)-1]
	for i := range l.planned {
		p := &l.planned[i]
		l.apply(s, &p.header, p.marker, cfg.IndexInterval, nowMs)
	}
	l.producers.bound(cfg.MaxProducers)
	l.activeDirty = true
	if l.disk.o.Policy != Always {
		l.durable = l.end
	}
	return base
}

// apply takes one batch that is in the segment's file, at its end, into all that
// is kept in memory. Recovery does the same. Needs mu.
func (l *Log) apply(s *segment, h *record.Header, marker record.Control, indexInterval, nowMs int64) {
	s.index.add(h, s.base, s.size, indexInterval)
	s.add(h.LastOffset()+1, int64(h.Size()), s.index.maxMs, nowMs)
	l.end = h.LastOffset() + 1
	opened, ended := l.producers.apply(h, marker, nowMs)
	if opened {
		l.txns.open(h.ProducerID, h.BaseOffset)
	}
	if ended < 0 {
		return
	}
	stable := l.txns.close(ended, h.BaseOffset)
	if marker.Marker == record.Abort {
		s.index.aborted = append(s.index.aborted, abortedEntry{h.ProducerID, ended, h.BaseOffset, stable})
		s.aborted++
	}
}
