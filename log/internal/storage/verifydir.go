package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/vfs"
)

// Kinds of findings. Only the first two are damage.
const (
	// Damaged is data, or what says how to read it, that cannot be read as it was
	// written: below what is known to be on the disk, and so lost from this copy.
	Damaged = "damaged"
	// CacheDamaged is a file that the next start rebuilds.
	CacheDamaged = "cache damaged"
	// Unfinished is what a crash leaves and the next start settles.
	Unfinished = "unfinished"
	// Unknown is a name that nobody knows.
	Unknown = "unknown"
)

// Finding is something that VerifyDir has found.
type Finding struct {
	Kind string `json:"kind"`
	// Partition is topic id and partition, "" for what belongs to the whole directory.
	Partition string `json:"partition,omitempty"`
	// File is the path below the data directory, Position the first byte concerned.
	File     string `json:"file"`
	Position int64  `json:"position"`
	// FirstOffset and EndOffset bound the records that cannot be read; both are -1 where
	// no record is concerned.
	FirstOffset int64 `json:"first_offset"`
	EndOffset   int64 `json:"end_offset"`
	// What is wrong there, and what to do about it.
	What string `json:"what"`
	Do   string `json:"do"`
}

// VerifyReport is what VerifyDir has read and found.
type VerifyReport struct {
	Dir        string `json:"dir"`
	Partitions int    `json:"partitions"`
	Segments   int    `json:"segments"`
	Batches    int64  `json:"batches"`
	Bytes      int64  `json:"bytes"`
	// Topics and MetadataEntries are for who reads the metadata.
	Topics          int       `json:"topics"`
	MetadataEntries int       `json:"metadata_entries"`
	Findings        []Finding `json:"findings"`

	// Held are the partitions that there are directories of. Identity is zero if the
	// file that says it is damaged. Clean says that the node was shut down in order.
	Held     []TopicPartition `json:"-"`
	Identity Identity         `json:"-"`
	Clean    bool             `json:"-"`
}

// Add takes a finding. One without offsets concerns no record.
func (r *VerifyReport) Add(f Finding) {
	if f.FirstOffset == 0 && f.EndOffset == 0 {
		f.FirstOffset, f.EndOffset = -1, -1
	}
	r.Findings = append(r.Findings, f)
}

// Damage is the number of findings that are damage.
func (r *VerifyReport) Damage() int {
	n := 0
	for _, f := range r.Findings {
		if f.Kind == Damaged || f.Kind == CacheDamaged {
			n++
		}
	}
	return n
}

// VerifyDir reads everything of a data directory that no node is using, and changes
// nothing: every batch with its checksum, offsets and epochs, the small files, the
// journal, and whether indexes point where batches begin. A directory that is in use
// or is none of ours is ErrRefused. What storage does not know, also reads, one after
// the other, before the directory is let go.
func VerifyDir(ctx context.Context, fsys vfs.FS, dir string, also ...func(*VerifyReport) error) (VerifyReport, error) {
	v := &dirVerifier{ctx: ctx, fsys: fsys, dir: dir, report: VerifyReport{Dir: dir, Findings: []Finding{}}}
	if _, err := fsys.Stat(dir + "/" + nodeFile); errors.Is(err, fs.ErrNotExist) {
		return v.report, refuse(dir, "holds no file %q: it is no data directory of a node", nodeFile)
	} else if err != nil {
		return v.report, err
	}
	_, err := fsys.Stat(dir + "/" + lockFile)
	restored := errors.Is(err, fs.ErrNotExist) // from a backup that left it out
	lock, err := fsys.Lock(dir + "/" + lockFile)
	if errors.Is(err, vfs.ErrLocked) {
		return v.report, refuse(dir, "is in use: stop the node that runs on it first")
	} else if err != nil {
		return v.report, fmt.Errorf("lock data directory: %w", err)
	}
	err = v.run()
	for _, read := range also {
		if err == nil {
			err = read(&v.report)
		}
	}
	if restored {
		err = errors.Join(err, fsys.Remove(dir+"/"+lockFile)) // nothing is done under it any more
	}
	return v.report, errors.Join(err, lock.Close())
}

// dirVerifier is one run of VerifyDir.
type dirVerifier struct {
	ctx    context.Context
	fsys   vfs.FS
	dir    string
	report VerifyReport
	disk   *Disk // only to read through: it is not open
}

func (v *dirVerifier) run() error {
	v.disk = &Disk{o: Options{FS: v.fsys, Dir: v.dir, Logger: slog.New(slog.DiscardHandler)}}
	if err := v.own(); err != nil {
		return err
	}
	ids, err := v.partitions()
	if err != nil {
		return err
	}
	v.report.Held = ids
	for _, id := range ids {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		v.report.Partitions++
		p := &logVerifier{dirVerifier: v, id: id, l: newLog(v.disk, id, Config{}.withDefaults())}
		if err := p.run(); err != nil {
			return fmt.Errorf("verify %v: %w", id, err)
		}
	}
	return nil
}

// own reads what belongs to the whole directory.
func (v *dirVerifier) own() error {
	payload, err := readFrame(v.fsys, v.dir+"/"+nodeFile, kindNode)
	if err == nil {
		v.report.Identity, err = decodeNode(payload)
	}
	if err := v.file("", nodeFile, Damaged, err, "restore that file from a backup"); err != nil {
		return err
	}
	payload, err = readFrame(v.fsys, v.dir+"/"+cleanFile, kindClean)
	v.report.Clean = err == nil && payload != nil
	if err := v.file("", cleanFile, Unfinished, err, "nothing: it counts as missing"); err != nil {
		return err
	}
	j, err := readJournal(v.fsys, v.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, ErrRefused):
		v.add(Finding{Kind: Damaged, File: journalDir, What: err.Error(), Do: "see there"})
		return nil
	case err != nil:
		return err
	}
	if len(j.records) > 0 {
		v.add(Finding{Kind: Unfinished, File: journalDir, What: fmt.Sprintf("%d rounds of appends to %d partitions wait to be replayed", len(j.records), len(j.logs)),
			Do: "nothing: the next start replays them"})
	}
	j.close()
	return nil
}

// partitions lists what is there, and reports what is not a partition.
func (v *dirVerifier) partitions() (ids []TopicPartition, err error) {
	topics, err := v.fsys.List(v.dir + "/" + topicsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, name := range topics {
		topic, ok := parseTopicName(name)
		if !ok || !v.disk.isDir(v.dir+"/"+topicsDir+"/"+name) {
			v.stray(topicsDir + "/" + name)
			continue
		}
		names, err := v.fsys.List(v.disk.topicDir(topic))
		if err != nil {
			return nil, err
		}
		for _, p := range names {
			n, ok := parsePartitionName(p)
			switch {
			case ok && v.disk.isDir(v.disk.topicDir(topic)+"/"+p):
				ids = append(ids, TopicPartition{topic, n})
			case strings.HasSuffix(p, deletedSuffix):
				v.add(Finding{Kind: Unfinished, File: topicsDir + "/" + name + "/" + p, What: "a deletion was interrupted", Do: "nothing: the next start finishes it"})
			default:
				v.stray(topicsDir + "/" + name + "/" + p)
			}
		}
	}
	slices.SortFunc(ids, compareLogs)
	return ids, nil
}

func (v *dirVerifier) stray(name string) {
	v.add(Finding{Kind: Unknown, File: name, What: "no topic or partition has such a name", Do: "move it away; else the next start moves it to " + quarantineDir + "/"})
}

func (v *dirVerifier) add(f Finding) { v.report.Add(f) }

// file reports a small file that is damaged or newer; what the disk cannot read is
// an error, and so the end.
func (v *dirVerifier) file(partition, name, kind string, err error, do string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNewer):
		v.add(Finding{Kind: kind, Partition: partition, File: name, What: err.Error(), Do: "use that version"})
	case errors.Is(err, errFrame):
		v.add(Finding{Kind: kind, Partition: partition, File: name, What: err.Error(), Do: do})
	default:
		return err
	}
	return nil
}
