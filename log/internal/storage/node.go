package storage

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/vfs"
)

// Names in the data directory.
const (
	nodeFile      = "node"
	cleanFile     = "clean"
	lockFile      = "LOCK"
	topicsDir     = "topics"
	journalDir    = "journal"
	journalDone   = "journal.done" // a journal that was replayed, on its way out
	quarantineDir = "quarantine"
)

// knownEntries may stand in a data directory; lost+found is the file system's own.
var knownEntries = []string{nodeFile, cleanFile, lockFile, topicsDir, journalDir, journalDone, quarantineDir, "lost+found"}

// refuse is ErrRefused in one sentence.
func refuse(dir, format string, args ...any) error {
	return fmt.Errorf("%w: %s %s", ErrRefused, dir, fmt.Sprintf(format, args...))
}

// identify reads or makes the node file of a directory that is locked.
func identify(o *Options) (Identity, error) {
	names, err := o.FS.List(o.Dir)
	if err != nil {
		return Identity{}, err
	}
	isNew, err := checkEntries(o, names)
	if err != nil {
		return Identity{}, err
	}
	if isNew {
		return createNode(o)
	}
	payload, err := readFrame(o.FS, o.Dir+"/"+nodeFile, kindNode)
	if err != nil {
		return Identity{}, refuseFrame(o.Dir, err)
	}
	id, err := decodeNode(payload)
	if err != nil {
		return Identity{}, refuseFrame(o.Dir, fmt.Errorf("%s: %w", nodeFile, err))
	}
	if o.ClusterID != [16]byte{} && o.ClusterID != id.ClusterID {
		return Identity{}, refuse(o.Dir, "belongs to cluster %x, not %x: use another directory", id.ClusterID, o.ClusterID)
	}
	if o.NodeID != 0 && o.NodeID != id.NodeID {
		return Identity{}, refuse(o.Dir, "belongs to node %d, not %d: use another directory", id.NodeID, o.NodeID)
	}
	return id, nil
}

// checkEntries refuses names that nobody knows, and removes what an interrupted
// replacement of one of our files has left.
func checkEntries(o *Options, names []string) (isNew bool, err error) {
	isNew = true
	for _, name := range names {
		base, isTemp := strings.CutSuffix(name, vfs.TempSuffix)
		switch {
		case name == nodeFile:
			isNew = false
		case isTemp && (base == nodeFile || base == cleanFile):
			if err := o.FS.Remove(o.Dir + "/" + name); err != nil {
				return false, err
			}
		case !slices.Contains(knownEntries, name) && !slices.Contains(o.Entries, name):
			return false, refuse(o.Dir, "holds %q, which is not Millrace's: use an empty directory or move it away", name)
		}
	}
	if isNew && slices.Contains(names, topicsDir) {
		return false, refuse(o.Dir, "holds topics but no file %q: restore that file from a backup", nodeFile)
	}
	return isNew, nil
}

// refuseFrame turns a damaged or newer file of the directory into a refusal; what
// the disk cannot read stays what it is.
func refuseFrame(dir string, err error) error {
	switch {
	case errors.Is(err, errNewer):
		return refuse(dir, "needs a newer version of millrace (%v)", err)
	case errors.Is(err, errFrame):
		return refuse(dir, "is damaged (%v): restore that file from a backup", err)
	}
	return err
}

func createNode(o *Options) (Identity, error) {
	id := Identity{ClusterID: o.ClusterID, DirectoryID: newID(), NodeID: max(o.NodeID, 1), New: true}
	if id.ClusterID == [16]byte{} {
		id.ClusterID = newID()
	}
	return id, writeFrame(o.FS, o.Dir+"/"+nodeFile, kindNode, encodeNode(id))
}

// newID is a random UUID, version 4.
func newID() (id [16]byte) {
	rand.Read(id[:]) //nolint:errcheck // it never fails (Go 1.24)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// encodeNode is the payload of the file node:
//
//	cluster id    16 bytes
//	directory id  16 bytes
//	node id       int32
func encodeNode(id Identity) []byte {
	b := append([]byte(nil), id.ClusterID[:]...)
	b = append(b, id.DirectoryID[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(id.NodeID))
}

func decodeNode(payload []byte) (Identity, error) {
	d := decoder{b: payload}
	id := Identity{ClusterID: d.id(), DirectoryID: d.id(), NodeID: d.i32()}
	return id, d.end()
}

// takeClean reads the clean-shutdown mark and removes it durably: from here on the
// directory is in use. Its payload is the broker epoch, int64.
func takeClean(fsys vfs.FS, dir string) (brokerEpoch int64, ok bool, err error) {
	payload, err := readFrame(fsys, dir+"/"+cleanFile, kindClean)
	if errors.Is(err, errFrame) {
		payload = nil // a torn mark was never finished
	} else if err != nil {
		return 0, false, refuseFrame(dir, err)
	}
	if payload != nil {
		d := decoder{b: payload}
		brokerEpoch = d.i64()
		ok = d.end() == nil
	}
	if err := fsys.Remove(dir + "/" + cleanFile); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, err
	}
	return brokerEpoch, ok, fsys.SyncDir(dir)
}

func writeClean(fsys vfs.FS, dir string, brokerEpoch int64) error {
	return writeFrame(fsys, dir+"/"+cleanFile, kindClean, binary.BigEndian.AppendUint64(nil, uint64(brokerEpoch)))
}
