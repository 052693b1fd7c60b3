package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// SyncPolicy says when an append counts as durable.
type SyncPolicy uint8

const (
	// Always counts what fdatasync has confirmed. It is the default.
	Always SyncPolicy = iota
	// Interval counts every append at once and syncs every Options.SyncInterval: a
	// power cut loses up to that much.
	Interval
	// OS counts every append at once and leaves writing back to the kernel, but for
	// checkpoints: a power cut loses up to Options.CheckpointInterval.
	OS
)

var policyNames = [...]string{"always", "interval", "os"}

// String is the policy's name in options and flags.
func (p SyncPolicy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// ParseSyncPolicy reads a name as String writes it.
func ParseSyncPolicy(name string) (SyncPolicy, error) {
	for i, n := range policyNames {
		if n == name {
			return SyncPolicy(i), nil
		}
	}
	return Always, fmt.Errorf("sync policy %q: use always, interval or os", name)
}

// JournalMode says which rounds of the policy Always go to the disk's journal.
type JournalMode uint8

const (
	// JournalAuto takes the cheaper way each time. It is the default.
	JournalAuto JournalMode = iota
	// JournalOff always syncs the segments.
	JournalOff
	// JournalOn takes the journal whenever it has room.
	JournalOn
)

var journalNames = [...]string{"auto", "off", "on"}

// ParseJournalMode reads auto, off or on.
func ParseJournalMode(name string) (JournalMode, error) {
	for i, n := range journalNames {
		if n == name {
			return JournalMode(i), nil
		}
	}
	return JournalAuto, fmt.Errorf("journal %q: use auto, off or on", name)
}

// Options opens a data directory. Only FS and Dir are required.
type Options struct {
	FS  vfs.FS
	Dir string
	// ClusterID must be the directory's, if the directory is not new. Zero takes
	// what the directory says, and draws one for a new directory.
	ClusterID [16]byte
	// NodeID likewise; 0 takes the directory's, and 1 for a new one.
	NodeID int32
	// Entries are further names in Dir that belong to the caller (the metadata log,
	// say). Any other entry refuses the start.
	Entries []string

	Policy SyncPolicy
	// SyncInterval is for the policy Interval; 0 is 100 ms.
	SyncInterval time.Duration
	// Journal says when the disk's journal is used.
	Journal JournalMode
	// JournalFileBytes is the size of a journal file, at least 64 KiB; 0 is 16 MiB.
	// JournalFiles bounds their number, at least 2; 0 is 16. The first is made when
	// there is a use for it, and they are removed by Close.
	JournalFileBytes int64
	JournalFiles     int
	// JournalAge is when the segment of what is in the journal is synced at the
	// latest, if its place there is not needed before; 0 is 5 s.
	JournalAge time.Duration
	// SyncParallel bounds the fdatasync calls that run at once; 0 is 16.
	SyncParallel int
	// CheckpointInterval is how often a log that was written to records what is
	// known durable, so that recovery reads only what came after; 0 is 30 s.
	CheckpointInterval time.Duration
	// MaxOpenSegments bounds the segments that are kept open for reading, over all
	// partitions, each with up to 384 KiB of index; 0 is 256.
	MaxOpenSegments int
	// CleanerInterval is how often logs are looked at for compaction; 0 is 15 s.
	CleanerInterval time.Duration
	// CleanerBytesPerSecond bounds what compaction reads and writes; 0 is 64 MiB, and
	// below 0 there is no bound.
	CleanerBytesPerSecond int64
	// CleanerMemory bounds the map from keys to offsets, 24 bytes an entry, that one
	// log at a time is compacted with. What does not fit takes further passes. It is
	// allocated while there is something to do; 0 is 64 MiB, for a million keys.
	CleanerMemory int64
	// MinFreeBytes is kept for coordinators and replication: below it appends of
	// clients fail with ErrFull. 0 is 64 MiB.
	MinFreeBytes uint64

	// Fatal is called once, from any goroutine, when a sync or write failed in a way
	// that leaves the disk's contents unknown. It should have the process end soon;
	// no append is acknowledged any more. It must not wait for anything in this
	// package, Close included. nil only logs.
	Fatal func(error)
	// Logger is where recovery and damage are reported; nil discards.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	if o.SyncInterval == 0 {
		o.SyncInterval = 100 * time.Millisecond
	}
	if o.JournalFileBytes == 0 {
		o.JournalFileBytes = 16 << 20
	}
	if o.JournalFiles == 0 {
		o.JournalFiles = 16
	}
	if o.JournalAge == 0 {
		o.JournalAge = 5 * time.Second
	}
	if o.SyncParallel == 0 {
		o.SyncParallel = 16
	}
	if o.CheckpointInterval == 0 {
		o.CheckpointInterval = 30 * time.Second
	}
	if o.MaxOpenSegments == 0 {
		o.MaxOpenSegments = 256
	}
	if o.CleanerInterval == 0 {
		o.CleanerInterval = 15 * time.Second
	}
	if o.CleanerBytesPerSecond == 0 {
		o.CleanerBytesPerSecond = 64 << 20
	}
	if o.CleanerMemory == 0 {
		o.CleanerMemory = 64 << 20
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// validate reports every fault at once.
func (o *Options) validate() error {
	var errs []error
	if o.FS == nil {
		errs = append(errs, errors.New("no file system"))
	}
	if o.Dir == "" {
		errs = append(errs, errors.New("no data directory"))
	}
	if o.NodeID < 0 {
		errs = append(errs, fmt.Errorf("node id %d is negative", o.NodeID))
	}
	if o.Policy > OS {
		errs = append(errs, fmt.Errorf("unknown sync %v", o.Policy))
	}
	if o.Journal > JournalOn {
		errs = append(errs, fmt.Errorf("unknown journal mode %d", o.Journal))
	}
	if o.JournalFileBytes != 0 && (o.JournalFileBytes < 64<<10 || o.JournalFileBytes%journalPage != 0) || o.JournalFiles < 0 || o.JournalFiles == 1 || o.JournalAge < 0 {
		errs = append(errs, fmt.Errorf("journal of %d files of %d bytes, synced after %v: use at least 2 of 64 KiB, in whole pages of 4 KiB",
			o.JournalFiles, o.JournalFileBytes, o.JournalAge))
	}
	if o.SyncInterval < 0 || o.SyncParallel < 0 || o.CheckpointInterval < 0 || o.MaxOpenSegments < 0 ||
		o.CleanerInterval < 0 || o.CleanerMemory < 0 {
		errs = append(errs, errors.New("negative interval or bound"))
	}
	return errors.Join(errs...)
}

// Config is what a topic's configuration says about its logs. It can change while
// a log is open. The zero value has the defaults.
type Config struct {
	// SegmentBytes is the size at which a segment is closed and the next begun
	// (segment.bytes); 0 is 1 GiB, the most is 2 GiB.
	SegmentBytes int64
	// SegmentAge closes a segment whose first append is that old (segment.ms);
	// 0 is 7 days.
	SegmentAge time.Duration
	// RetentionBytes and RetentionAge bound the log by whole segments
	// (retention.bytes, retention.ms); 0 is no bound.
	RetentionBytes int64
	RetentionAge   time.Duration
	// Compact has the disk's cleaner remove records whose key has a later one
	// (cleanup.policy=compact). It may stand beside a retention.
	Compact bool
	// DirtyRatio is the part of what may be compacted that has to be new before it is
	// (min.cleanable.dirty.ratio); 0 is 0.5.
	DirtyRatio float64
	// MinCompactionLag keeps records of that age and younger as they are
	// (min.compaction.lag.ms); MaxCompactionLag has a log compacted when a record of a
	// finished segment has waited that long, whatever DirtyRatio says
	// (max.compaction.lag.ms). 0 is none.
	MinCompactionLag, MaxCompactionLag time.Duration
	// DeleteRetention is how long tombstones and the markers of transactions without
	// data stay after the pass that first found them so (delete.retention.ms); 0 is 24 h.
	DeleteRetention time.Duration
	// MaxBatchBytes is max.message.bytes; 0 is 1 MiB + 12, as in Kafka.
	MaxBatchBytes int
	// AppendTime stamps batches of clients with the broker's clock
	// (message.timestamp.type=LogAppendTime).
	AppendTime bool
	// IndexInterval is the least number of bytes between index entries; 0 is 32 KiB,
	// so that the index of a segment of 1 GiB takes 384 KiB of memory.
	IndexInterval int64
	// ProducerExpiry forgets an idle producer's sequences
	// (producer.id.expiration.ms); 0 is 24 h.
	ProducerExpiry time.Duration
	// MaxProducers bounds the producers whose sequences are remembered; above it
	// those that wrote longest ago are forgotten. 0 is 100 000.
	MaxProducers int
}

const (
	maxSegmentBytes  = 2 << 30 // positions in a segment are 32 bits wide
	defaultMaxBatch  = 1<<20 + 12
	defaultInterval  = 32 << 10
	defaultProducers = 100_000
)

func (c Config) withDefaults() Config {
	if c.SegmentBytes <= 0 {
		c.SegmentBytes = 1 << 30
	}
	c.SegmentBytes = min(c.SegmentBytes, maxSegmentBytes)
	if c.SegmentAge <= 0 {
		c.SegmentAge = 7 * 24 * time.Hour
	}
	if c.DirtyRatio <= 0 {
		c.DirtyRatio = 0.5
	}
	if c.DeleteRetention <= 0 {
		c.DeleteRetention = 24 * time.Hour
	}
	if c.MaxBatchBytes <= 0 {
		c.MaxBatchBytes = defaultMaxBatch
	}
	if c.IndexInterval <= 0 {
		c.IndexInterval = defaultInterval
	}
	if c.ProducerExpiry <= 0 {
		c.ProducerExpiry = 24 * time.Hour
	}
	if c.MaxProducers <= 0 {
		c.MaxProducers = defaultProducers
	}
	return c
}
