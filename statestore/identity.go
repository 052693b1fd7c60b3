package statestore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/vfs"
)

// ErrIdentity is wrapped by Open when a directory holds somebody else's state, or
// something that is not state.
var ErrIdentity = errors.New("not this pipeline's state directory")

// Identity names whose state a directory holds. All fields must be equal for a
// directory to be opened again.
type Identity struct {
	ClusterID        string
	Pipeline         string
	ChangelogTopicID [16]byte
	Partitions       int32 // options.state_partitions, fixed for the pipeline's life
}

// The file `identity` is text, five lines:
//
//	millrace-state 1
//	cluster "4L6g3nShT-eMCtK--X86sw"
//	pipeline "ad_metrics"
//	changelog 000102030405060708090a0b0c0d0e0f 16
//	crc 5f3c1d2e
//
// The number after the changelog's topic id is its number of partitions; the last
// line is the CRC-32C of all bytes before it.
const (
	identityFile    = "identity"
	identityMagic   = "millrace-state"
	identityVersion = 1
	identityMax     = 4096
)

func (id Identity) encode() []byte {
	body := fmt.Sprintf("%s %d\ncluster %q\npipeline %q\nchangelog %s %d\n", identityMagic, identityVersion,
		id.ClusterID, id.Pipeline, hex.EncodeToString(id.ChangelogTopicID[:]), id.Partitions)
	return fmt.Appendf(nil, "%scrc %08x\n", body, crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
}

// decodeIdentity reads what encode wrote; its errors say what is wrong with the
// file, not which file.
func decodeIdentity(b []byte) (Identity, error) {
	var id Identity
	text := string(b)
	var version int
	if _, err := fmt.Sscanf(text, identityMagic+" %d\n", &version); err != nil {
		return id, errors.New("it does not begin with " + identityMagic)
	}
	if version != identityVersion {
		return id, fmt.Errorf("it is of version %d and this program reads version %d", version, identityVersion)
	}
	body, crc, found := strings.Cut(text, "crc ")
	want := fmt.Sprintf("%08x\n", crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
	if !found || crc != want {
		return id, errors.New("its checksum is wrong")
	}
	for _, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n")[1:] {
		name, value, _ := strings.Cut(line, " ")
		if err := id.set(name, value); err != nil {
			return id, fmt.Errorf("line %q: %w", line, err)
		}
	}
	return id, nil
}

func (id *Identity) set(name, value string) (err error) {
	switch name {
	case "cluster":
		id.ClusterID, err = strconv.Unquote(value)
	case "pipeline":
		id.Pipeline, err = strconv.Unquote(value)
	case "changelog":
		topic, partitions, _ := strings.Cut(value, " ")
		raw, hexErr := hex.DecodeString(topic)
		n, numErr := strconv.ParseInt(partitions, 10, 32)
		if len(raw) != len(id.ChangelogTopicID) {
			return errors.New("a topic id has 16 bytes")
		}
		copy(id.ChangelogTopicID[:], raw)
		id.Partitions = int32(n)
		err = errors.Join(hexErr, numErr)
	default:
		err = errors.New("unknown key")
	}
	return err
}

// checkIdentity compares the directory's identity with want, or records want in a
// new directory.
func checkIdentity(fsys vfs.FS, dir string, want Identity) error {
	name := path.Join(dir, identityFile)
	b, err := vfs.ReadFile(fsys, name, identityMax)
	if errors.Is(err, fs.ErrNotExist) {
		return createIdentity(fsys, dir, want)
	}
	if err != nil {
		return err
	}
	got, err := decodeIdentity(b)
	if err != nil {
		return fmt.Errorf("state directory %s: %w: %s: %s; remove the directory to rebuild its state from the changelog", dir, ErrIdentity, name, err)
	}
	if got != want {
		return fmt.Errorf("state directory %s: %w: it holds the state of %s, this is %s; give this pipeline another directory, or remove this one to rebuild the state from the changelog",
			dir, ErrIdentity, got, want)
	}
	return nil
}

func (id Identity) String() string {
	return fmt.Sprintf("pipeline %q (cluster %s, changelog %s, %d state partitions)",
		id.Pipeline, id.ClusterID, hex.EncodeToString(id.ChangelogTopicID[:]), id.Partitions)
}

// createIdentity marks a new directory. Entries in it that a store does not make
// refuse it.
func createIdentity(fsys vfs.FS, dir string, id Identity) error {
	entries, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e != lockFile && e != identityFile+vfs.TempSuffix {
			return fmt.Errorf("state directory %s: %w: it has no file %s and is not empty (%s); give this pipeline an empty directory", dir, ErrIdentity, identityFile, e)
		}
	}
	return vfs.WriteFile(fsys, path.Join(dir, identityFile), id.encode())
}
