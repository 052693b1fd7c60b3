package statestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrStale is wrapped by Position.Fresh.
var ErrStale = errors.New("checkpoint is too old to replay from")

// Position is what a checkpoint stores beside a state partition's entries.
type Position struct {
	// Offset is the next changelog offset to replay: everything below it is in
	// the checkpoint.
	Offset int64
	Epoch  uint64    // the last committed epoch that the checkpoint includes
	Time   time.Time // wall time of the checkpoint, for Fresh; kept to the microsecond
	Meta   []byte    // opaque, the engine's: the source positions included
}

// Fresh says whether the changelog may be replayed from the position on. Beyond the
// tombstone retention of the changelog (delete.retention.ms) compaction may have
// removed a tombstone that the checkpoint has not seen, and a replay would bring a
// deleted key back: then it is ErrStale, and the partition must be wiped and
// restored from the start. A quarter is kept in reserve for clocks that differ. A
// position from the future is as bad as an old one.
func (p Position) Fresh(now time.Time, tombstoneRetention time.Duration) error {
	limit := tombstoneRetention - tombstoneRetention/4
	if age := now.Sub(p.Time); age > limit || age < -limit {
		return fmt.Errorf("%w: it is of %s, %s from now, and the changelog keeps tombstones for %s; restore from the start",
			ErrStale, p.Time.UTC().Format(time.RFC3339), age.Round(time.Second), tombstoneRetention)
	}
	return nil
}

// The record of a position in Pebble: version(1)=1, offset(8), epoch(8),
// microseconds(8), all big endian, then Meta.
const (
	positionVersion = 1
	positionSize    = 1 + 8 + 8 + 8
)

func appendPosition(dst []byte, p Position) []byte {
	dst = append(dst, positionVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Offset))
	dst = binary.BigEndian.AppendUint64(dst, p.Epoch)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Time.UnixMicro()))
	return append(dst, p.Meta...)
}

func parsePosition(b []byte) (Position, error) {
	if len(b) < positionSize || b[0] != positionVersion {
		return Position{}, fmt.Errorf("%w: position of %d bytes", errRecord, len(b))
	}
	return Position{
		Offset: int64(binary.BigEndian.Uint64(b[1:])),
		Epoch:  binary.BigEndian.Uint64(b[9:]),
		Time:   time.UnixMicro(int64(binary.BigEndian.Uint64(b[17:]))),
		Meta:   append([]byte(nil), b[positionSize:]...),
	}, nil
}
