package meta

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
)

// ID is a random UUID: of a cluster, a topic or a data directory. The zero ID
// names nothing.
type ID [16]byte

// NewID draws a version 4 UUID. Its text form never starts with a dash, so that it
// can stand as an argument on a command line.
func NewID(source *rand.Rand) ID {
	for {
		var id ID
		binary.BigEndian.PutUint64(id[:8], source.Uint64())
		binary.BigEndian.PutUint64(id[8:], source.Uint64())
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if id.String()[0] != '-' {
			return id
		}
	}
}

// String is the id as Kafka's tools print it: URL-safe base64 without padding.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// IsZero reports whether the id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// RaftID is the member of the metadata quorum that lives in this directory: the
// first 63 bits, so that a wiped disk, which gets a new directory id, comes back
// as a new member and never as one that has forgotten its vote.
func (id ID) RaftID() uint64 { return binary.BigEndian.Uint64(id[:8]) >> 1 }

func compareIDs(a, b ID) int {
	for i := range a {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return 0
}
