package storage

import (
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/log/internal/metrics"
)

// counters is what a disk has counted since it was opened. Adding to one is an atomic
// addition.
type counters struct {
	appended                 atomic.Int64
	segmentSyncs             metrics.Histogram
	journalSyncs             metrics.Histogram
	journalBytes             atomic.Int64
	cleanings, cleaningNanos atomic.Int64
	cleanRead, cleanWritten  atomic.Int64
	cleanRemoved             atomic.Int64
}

// synced counts a round of the commit loop.
func (c *counters) synced(journaled bool, took time.Duration) {
	if journaled {
		c.journalSyncs.Observe(took)
	} else {
		c.segmentSyncs.Observe(took)
	}
}

// cleaned counts a compaction of a log.
func (c *counters) cleaned(s *CleanStats, took time.Duration) {
	c.cleanings.Add(1)
	c.cleaningNanos.Add(int64(took))
	c.cleanRead.Add(s.ReadBytes)
	c.cleanWritten.Add(s.WrittenBytes)
	c.cleanRemoved.Add(s.Removed)
}

// Stats is what a disk has done since it was opened, and what it holds now.
type Stats struct {
	// Logs and Segments are how many are open, Bytes what the segments take.
	Logs, Segments int
	Bytes          int64
	// AppendedBytes is what was appended to all logs.
	AppendedBytes int64
	// SegmentSyncs are the rounds of the commit loop that synced segments, JournalSyncs
	// those that synced the journal; JournalBytes is what was written to that.
	SegmentSyncs, JournalSyncs metrics.Durations
	JournalBytes               int64
	// Cleanings are the compactions of logs, CleaningTime how long they took together;
	// the others are what they read, wrote and removed.
	Cleanings           int64
	CleaningTime        time.Duration
	CleanReadBytes      int64
	CleanWrittenBytes   int64
	CleanRemovedRecords int64
}

// Stats reads what was counted. It takes each log's lock for a moment.
func (d *Disk) Stats() Stats {
	c := &d.counted
	s := Stats{
		AppendedBytes: c.appended.Load(), SegmentSyncs: c.segmentSyncs.Read(), JournalSyncs: c.journalSyncs.Read(),
		JournalBytes: c.journalBytes.Load(), Cleanings: c.cleanings.Load(), CleaningTime: time.Duration(c.cleaningNanos.Load()),
		CleanReadBytes: c.cleanRead.Load(), CleanWrittenBytes: c.cleanWritten.Load(), CleanRemovedRecords: c.cleanRemoved.Load(),
	}
	for _, l := range d.openLogs() {
		s.Logs++
		l.mu.Lock()
		s.Segments += len(l.segments)
		for _, segment := range l.segments {
			s.Bytes += segment.size
		}
		l.mu.Unlock()
	}
	return s
}
