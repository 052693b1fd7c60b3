package log

import (
	"context"
	"fmt"
	"path"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/storage"
)

// VerifyReport is what Verify has read and found, and Finding one thing in it. Both
// have JSON names.
type (
	VerifyReport = storage.VerifyReport
	Finding      = storage.Finding
)

// Verify reads everything that a data directory holds, topics and metadata, and
// changes nothing. No node may be running on it: that is refused in one sentence, as is
// a directory that is none. Damage is in the report and no error.
func Verify(ctx context.Context, dir string) (VerifyReport, error) {
	return verify(ctx, vfs.OS(), dir)
}

func verify(ctx context.Context, fsys vfs.FS, dir string) (VerifyReport, error) {
	return storage.VerifyDir(ctx, fsys, dir, func(r *VerifyReport) error {
		found, err := meta.Verify(fsys, path.Join(dir, metadataDir))
		if err != nil {
			return fmt.Errorf("verify metadata: %w", err)
		}
		r.Bytes += found.Bytes
		r.MetadataEntries = found.Entries
		whole := true
		for _, f := range found.Faults {
			finding := metadataFinding(f)
			whole = whole && finding.Kind != storage.Damaged
			r.Add(finding)
		}
		switch {
		case found.Image != nil:
			compareMetadata(r, found.Image)
		case whole && (r.Clean || len(r.Held) > 0):
			r.Add(Finding{Kind: storage.Damaged, File: metadataDir, What: "the metadata is missing",
				Do: "restore that directory as a whole from a backup made while the node was stopped"})
		case whole:
			r.Add(Finding{Kind: storage.Unfinished, File: metadataDir, What: "there is no metadata yet", Do: "nothing: the next start makes it"})
		}
		return nil
	})
}

// metadataFinding tells a fault in the words of the report.
func metadataFinding(f meta.Fault) Finding {
	kinds := map[meta.Kind]string{
		meta.Damaged: storage.Damaged, meta.Newer: storage.Damaged,
		meta.Replaceable: storage.CacheDamaged, meta.Unknown: storage.Unknown,
	}
	return Finding{Kind: kinds[f.Kind], File: path.Join(metadataDir, f.File), Position: f.Position, What: f.What, Do: f.Do}
}

// compareMetadata tells where the metadata and the directories of partitions differ.
// Some of it is what a crash leaves, or what the order of things allows: a topic is
// made in the metadata first, and deleted there first.
func compareMetadata(r *VerifyReport, im *meta.Image) {
	r.Topics = im.TopicCount()
	if id := r.Identity.ClusterID; id != [16]byte{} && im.ClusterID() != id && !im.ClusterID().IsZero() {
		r.Add(Finding{Kind: storage.Damaged, File: metadataDir, What: fmt.Sprintf("it belongs to cluster %s, the data directory to %s", im.ClusterID(), meta.ID(id)),
			Do: "one of them was copied here: restore both from one backup"})
		return
	}
	held := map[storage.TopicPartition]bool{}
	for _, tp := range r.Held {
		held[tp] = true
		if im.Partition(tp.TopicID, tp.Partition) != nil {
			continue
		}
		f := Finding{Kind: storage.Unknown, Partition: tp.String(), File: partitionDir(tp), What: "the metadata knows no such partition, nor that it was deleted",
			Do: "if its records are missed, restore the metadata that knows it; else nothing: the next start moves it to quarantine/"}
		if im.Removed(tp.TopicID) {
			f.Kind, f.What, f.Do = storage.Unfinished, "its topic was deleted", "nothing: the next start removes it"
		}
		r.Add(f)
	}
	for t := range im.Topics() {
		for _, p := range t.Partitions {
			if tp := (storage.TopicPartition{TopicID: t.ID, Partition: p.Index}); !held[tp] && livesHere(r, p) {
				r.Add(missingPartition(r, t.Name, tp, p.LeaderEpoch))
			}
		}
	}
}

func partitionDir(tp storage.TopicPartition) string { return path.Join("topics", tp.String()) }

// livesHere reports whether this directory is to hold a replica of the partition.
func livesHere(r *VerifyReport, p *meta.Partition) bool {
	for _, replica := range p.Replicas {
		if replica.Directory == r.Identity.DirectoryID {
			return true
		}
	}
	return false
}

// missingPartition is a partition without a directory. In the life of a node in which
// its topic was made, it may have had no time to make it; a later start, which raises
// the leader epoch, has made it unless the node died in the middle.
func missingPartition(r *VerifyReport, topic string, tp storage.TopicPartition, epoch int32) Finding {
	f := Finding{Kind: storage.Unfinished, Partition: tp.String(), File: partitionDir(tp),
		What: fmt.Sprintf("topic %q has no directory for its partition %d, which was perhaps never written to", topic, tp.Partition),
		Do:   "nothing, if the topic was just made: the next start makes it; else restore it from a backup"}
	if r.Clean && epoch > 0 {
		f.Kind = storage.Damaged
		f.What = fmt.Sprintf("the directory of partition %d of topic %q is missing", tp.Partition, topic)
		f.Do = "restore it from a backup; else the next start begins the partition empty"
	}
	return f
}
