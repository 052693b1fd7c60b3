package log

import (
	"github.com/millrace/millrace/log/internal/metrics"
	"github.com/millrace/millrace/log/internal/storage"
)

// What storage has done and holds.
var (
	storageLogs = families.New(metrics.Gauge, "millrace_storage_logs",
		"Partitions whose files are open.")
	storageSegments = families.New(metrics.Gauge, "millrace_storage_segments",
		"Segment files of all partitions.")
	storageBytes = families.New(metrics.Gauge, "millrace_storage_bytes",
		"Bytes of all segments.")
	storageAppended = families.New(metrics.Counter, "millrace_storage_appended_bytes_total",
		"Bytes appended to all partitions, the log's own topics included.")
	syncDuration = families.New(metrics.HistogramKind, "millrace_storage_sync_duration_seconds",
		"Rounds of the commit loop: what was appended since the last one became durable by syncing segments (segments) or the journal (journal).", "way")
	journalBytes = families.New(metrics.Counter, "millrace_storage_journal_bytes_total",
		"Bytes written to the journal.")
	cleanings = families.New(metrics.Counter, "millrace_storage_compactions_total",
		"Compactions of partitions.")
	cleaningSeconds = families.New(metrics.Counter, "millrace_storage_compaction_seconds_total",
		"Time of all compactions together.")
	cleanRead = families.New(metrics.Counter, "millrace_storage_compaction_read_bytes_total",
		"Bytes of segments that compactions have read.")
	cleanWritten = families.New(metrics.Counter, "millrace_storage_compaction_written_bytes_total",
		"Bytes of segments that compactions have written.")
	cleanRemoved = families.New(metrics.Counter, "millrace_storage_compaction_removed_records_total",
		"Records that compactions have removed.")
)

func collectStorage(e metrics.Emitter, s storage.Stats) {
	e.Value(storageLogs, float64(s.Logs), nil)
	e.Value(storageSegments, float64(s.Segments), nil)
	e.Value(storageBytes, float64(s.Bytes), nil)
	e.Value(storageAppended, float64(s.AppendedBytes), nil)
	e.Durations(syncDuration, s.SegmentSyncs, metrics.Label("way", "segments"))
	e.Durations(syncDuration, s.JournalSyncs, metrics.Label("way", "journal"))
	e.Value(journalBytes, float64(s.JournalBytes), nil)
	e.Value(cleanings, float64(s.Cleanings), nil)
	e.Value(cleaningSeconds, s.CleaningTime.Seconds(), nil)
	e.Value(cleanRead, float64(s.CleanReadBytes), nil)
	e.Value(cleanWritten, float64(s.CleanWrittenBytes), nil)
	e.Value(cleanRemoved, float64(s.CleanRemovedRecords), nil)
}
