package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// OpenLog opens a partition, which it makes if it is missing, and recovers it:
// what it keeps is synced before it returns. Damage below what is known durable is
// ErrCorrupt (a *CorruptError) and changes nothing on disk. A log is open once.
func (d *Disk) OpenLog(topicID [16]byte, partition int32, c Config) (*Log, error) {
	id := TopicPartition{topicID, partition}
	if partition < 0 {
		return nil, fmt.Errorf("open log %v: negative partition", id)
	}
	if err := d.reserve(id); err != nil {
		return nil, fmt.Errorf("open log %v: %w", id, err)
	}
	l, err := openLog(d, id, c.withDefaults())
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		delete(d.logs, id)
		return nil, fmt.Errorf("open log %v: %w", id, err)
	}
	d.logs[id] = l
	return l, nil
}

// Logs are the logs that are open, ordered.
func (d *Disk) Logs() []*Log { return d.openLogs() }

// reserve makes sure that one caller at a time deals with a partition that is not
// open.
func (d *Disk) reserve(id TopicPartition) error {
	if err := d.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	if _, open := d.logs[id]; open {
		return errors.New("it is open already")
	}
	d.logs[id] = nil
	return nil
}

func (d *Disk) forget(id TopicPartition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.logs, id)
}

// Partitions is what the directory holds, ordered.
func (d *Disk) Partitions() ([]TopicPartition, error) {
	topics, err := d.o.FS.List(d.o.Dir + "/" + topicsDir)
	if err != nil {
		return nil, err
	}
	var list []TopicPartition
	for _, name := range topics {
		topic, ok := parseTopicName(name)
		if !ok {
			continue // Open has moved what was there; a person may put more there
		}
		names, err := d.o.FS.List(d.topicDir(topic))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if n, ok := parsePartitionName(name); ok { // else an unfinished deletion, see DeleteLog
				list = append(list, TopicPartition{topic, n})
			}
		}
	}
	slices.SortFunc(list, compareLogs)
	return list, nil
}

// parseTopicName reads the name of a topic's directory.
func parseTopicName(name string) (uuid.UUID, bool) {
	topic, err := uuid.Parse(name)
	return topic, err == nil && topic.String() == name
}

// parsePartitionName reads the name of a partition's directory.
func parsePartitionName(name string) (int32, bool) {
	n, err := strconv.ParseInt(name, 10, 32)
	return int32(n), err == nil && n >= 0 && strconv.FormatInt(n, 10) == name
}

// deletedSuffix ends the name of a partition directory that is being deleted. The
// rename decides; after a crash the next Open finishes it.
const deletedSuffix = ".deleted"

func (d *Disk) finishDeletions() error {
	topics, err := d.o.FS.List(d.o.Dir + "/" + topicsDir)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		dir := d.o.Dir + "/" + topicsDir + "/" + topic
		names, err := d.o.FS.List(dir)
		if err != nil {
			return err
		}
		left := len(names)
		for _, name := range names {
			if !strings.HasSuffix(name, deletedSuffix) {
				continue
			}
			if err := d.o.FS.RemoveAll(dir + "/" + name); err != nil {
				return err
			}
			left--
		}
		if left == 0 {
			if err := d.o.FS.Remove(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// DeleteLog closes a partition's log, if it is open, and removes its files. What
// is not there is no error.
func (d *Disk) DeleteLog(topicID [16]byte, partition int32) error {
	id := TopicPartition{topicID, partition}
	if d.journal != nil {
		defer d.journal.release(id) // at the latest: what cannot be renamed must not fill the journal
	}
	if err := d.shut(id); err != nil {
		return fmt.Errorf("delete log %v: %w", id, err)
	}
	defer d.forget(id)
	if err := d.deleteDir(id); err != nil {
		return fmt.Errorf("delete log %v: %w", id, d.ioError(err))
	}
	return nil
}

func (d *Disk) deleteDir(id TopicPartition) error {
	topic, dir := d.topicDir(id.TopicID), d.logDir(id)
	if err := d.o.FS.RemoveAll(dir + deletedSuffix); err != nil {
		return err
	}
	if err := d.o.FS.Rename(dir, dir+deletedSuffix); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := d.o.FS.SyncDir(topic); err != nil {
		return err
	}
	if d.journal != nil {
		d.journal.release(id)
	}
	// A replay that finds no directory passes over the log; one that is made again
	// under this name must not get what was in this one.
	if err := d.commit.forget(id); err != nil {
		return err
	}
	if err := d.o.FS.RemoveAll(dir + deletedSuffix); err != nil {
		return err
	}
	if names, err := d.o.FS.List(topic); err != nil || len(names) > 0 {
		return err
	}
	return d.o.FS.Remove(topic)
}

// QuarantineLog closes a partition's log, if it is open, and moves its directory
// to quarantine/, where nothing is ever deleted.
func (d *Disk) QuarantineLog(topicID [16]byte, partition int32, reason string) error {
	id := TopicPartition{topicID, partition}
	d.mu.Lock()
	l := d.logs[id]
	d.mu.Unlock()
	if l != nil { // so that what only the journal has is in the files that are kept
		if err := l.Close(); err != nil {
			return fmt.Errorf("quarantine log %v: %w", id, err)
		}
	}
	if err := d.shut(id); err != nil {
		return fmt.Errorf("quarantine log %v: %w", id, err)
	}
	defer d.forget(id)
	kept, err := d.setAside(d.logDir(id), id.fileName(""))
	if err != nil {
		return fmt.Errorf("quarantine log %v: %w", id, d.ioError(err))
	}
	if err := d.commit.forget(id); err != nil {
		return fmt.Errorf("quarantine log %v: %w", id, d.ioError(err))
	}
	d.o.Logger.Warn("partition moved to quarantine", "log", id.String(), "kept", kept, "reason", reason)
	return nil
}

// shut closes a log without saving anything, and keeps it reserved.
func (d *Disk) shut(id TopicPartition) error {
	d.mu.Lock()
	l := d.logs[id]
	d.mu.Unlock()
	if l != nil {
		l.abandon()
	}
	return d.reserve(id)
}
