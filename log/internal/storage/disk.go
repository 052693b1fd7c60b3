// Package storage keeps partitions on one disk: segments of record batches as
// they were received, what is needed to find a record in them, what each producer
// has written, and a promise about which of it survives a power cut.
//
// It knows offsets, leader epochs, producers and transactions; it knows no
// replicas, no high watermark, no topics' names. Readers say how far they may see.
//
//	disk, err := storage.Open(storage.Options{FS: vfs.OS(), Dir: dir, Fatal: fail})
//	l, err := disk.OpenLog(topicID, 0, storage.Config{})
//	t, err := l.Append(batch, storage.AppendOptions{LeaderEpoch: 4}) // never waits for the disk
//	err = l.WaitDurable(ctx, t.LastOffset+1)
//	data, err := l.Read(t.BaseOffset, 1<<20, l.Durable())
//	err = disk.Close(brokerEpoch)
//
// The formats are described in docs/storage-format.md.
package storage

import (
	"errors"
)

var errSkeleton = errors.New("not written yet")

// Identity is what the node file says.
type Identity struct {
	ClusterID   [16]byte
	DirectoryID [16]byte
	NodeID      int32
	// New reports that this Open made the directory.
	New bool
}

// TopicPartition names a log.
type TopicPartition struct {
	TopicID   [16]byte
	Partition int32
}

// Disk is one data directory, held by one process, with one commit loop. It may
// be used concurrently.
type Disk struct{}

// Open takes hold of a data directory, which it makes if it is missing. A
// directory that is not for this process is ErrRefused with one sentence that
// says why: held by another process, a newer format, another cluster or node, an
// entry that nobody knows.
func Open(o Options) (*Disk, error) { return nil, errSkeleton }

// Identity is that of the directory.
func (d *Disk) Identity() Identity { return Identity{} }

// Dir is the data directory.
func (d *Disk) Dir() string { return "" }

// CleanShutdown is the broker epoch that the previous process gave to Close. ok is
// false if it did not get there: then the unsynced end of any log may be gone.
func (d *Disk) CleanShutdown() (brokerEpoch int64, ok bool) { return 0, false }

// Err is nil, or why the disk has failed.
func (d *Disk) Err() error { return errSkeleton }

// OpenLog opens a partition, which it makes if it is missing, and recovers it:
// what it keeps is synced before it returns. Damage below what is known durable is
// ErrCorrupt (a *CorruptError) and changes nothing on disk. A log is open once.
func (d *Disk) OpenLog(topicID [16]byte, partition int32, c Config) (*Log, error) {
	return nil, errSkeleton
}

// Partitions is what the directory holds, ordered.
func (d *Disk) Partitions() ([]TopicPartition, error) { return nil, errSkeleton }

// DeleteLog closes a partition's log, if it is open, and removes its files. What
// is not there is no error.
func (d *Disk) DeleteLog(topicID [16]byte, partition int32) error { return errSkeleton }

// QuarantineLog closes a partition's log, if it is open, and moves its directory
// to quarantine/, where nothing is ever deleted.
func (d *Disk) QuarantineLog(topicID [16]byte, partition int32, reason string) error {
	return errSkeleton
}

// Close closes every log and marks the directory as cleanly shut down in that
// broker epoch (-1 for none). It may be called twice.
func (d *Disk) Close(brokerEpoch int64) error { return errSkeleton }
