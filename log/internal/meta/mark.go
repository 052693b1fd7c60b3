package meta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/millrace/millrace/internal/vfs"
)

// The mark is a small file beside the database that says how many synced saves the
// log has had. Pebble cannot say it: where a chunk of its write-ahead log does not
// check, the log ends, as after a crash in the middle of a write, and what stood
// behind is gone without a word. One flipped bit could so take back topics that were
// acknowledged long ago. The number of saves is in the database as well (keySaves), so
// that one that ends too early has a smaller one than the mark.
//
// It is written after each synced save, but not synced: it is never ahead of the
// database, after the death of the process it is as new as what was acknowledged, and
// after a power cut as new as the system's write-back.
//
//	 0  magic    8 bytes  "MILLRACE"
//	 8  kind     4 bytes  "MARK"
//	12  version  uint16
//	14  length   uint16   of the payload
//	16  crc      uint32   CRC-32C of bytes 8 to 15 and the payload
//	20  payload           saves, uint64
//
// There are two such slots, one sector each and written in turn, so that a torn write
// leaves the one before. All numbers are big endian.
const (
	markFile    = "mark"
	markMagic   = "MILLRACE"
	markKind    = "MARK"
	markVersion = 1
	markPayload = 8
	markHeader  = 20
	markSlot    = 512
)

// errMark means that a slot says nothing: it was torn, or never written.
var errMark = errors.New("no mark")

func encodeMark(saves uint64) []byte {
	b := append([]byte(markMagic), markKind...)
	b = binary.BigEndian.AppendUint16(b, markVersion)
	b = binary.BigEndian.AppendUint16(b, markPayload)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, saves)
	binary.BigEndian.PutUint32(b[16:], markSum(b))
	return b
}

func markSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[8:16], castagnoli), castagnoli, b[markHeader:markHeader+markPayload])
}

// decodeMark reads a slot.
func decodeMark(b []byte) (saves uint64, err error) {
	switch {
	case len(b) < markHeader+markPayload || string(b[:8]) != markMagic || string(b[8:12]) != markKind:
		return 0, fmt.Errorf("%w: not one of ours", errMark)
	case markSum(b) != binary.BigEndian.Uint32(b[16:]):
		return 0, fmt.Errorf("%w: checksum does not match", errMark)
	case binary.BigEndian.Uint16(b[12:]) != markVersion || binary.BigEndian.Uint16(b[14:]) != markPayload:
		return 0, fmt.Errorf("%w: version %d of %d bytes", errMark, binary.BigEndian.Uint16(b[12:]), binary.BigEndian.Uint16(b[14:]))
	}
	return binary.BigEndian.Uint64(b[markHeader:]), nil
}

// readMark is the highest number of saves that the mark of a directory has. There is
// none before the first save, and in directories of programs that had no marks; one
// that is damaged says nothing, which is for the caller to tell.
func readMark(fsys vfs.FS, dir string) (saves uint64, err error) {
	name := dir + "/" + markFile
	if info, err := fsys.Stat(name); err == nil && info.Size() > 2*markSlot {
		return 0, fmt.Errorf("%w: it has %d bytes, a mark %d", errMark, info.Size(), 2*markSlot)
	}
	b, err := vfs.ReadFile(fsys, name, 2*markSlot)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	err = errMark
	for at := 0; at < len(b); at += markSlot {
		if n, slotErr := decodeMark(b[at:]); slotErr == nil {
			saves, err = max(saves, n), nil
		}
	}
	return saves, err
}

// mark writes the mark of an open log.
type mark struct {
	file   vfs.File // nil after a failed write
	logger *slog.Logger
}

// openMark makes a directory's mark say that number and keeps it open. A disk that has
// no room for it goes without.
func openMark(fsys vfs.FS, dir string, saves uint64, logger *slog.Logger) (*mark, error) {
	b := make([]byte, 2*markSlot)
	copy(b, encodeMark(saves))
	copy(b[markSlot:], encodeMark(saves))
	m := &mark{logger: logger}
	err := vfs.WriteFile(fsys, dir+"/"+markFile, b)
	if err == nil {
		m.file, err = fsys.OpenWrite(dir + "/" + markFile)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		m.giveUp(err)
	} else if err != nil {
		return nil, fmt.Errorf("mark metadata log: %w", err)
	}
	return m, nil
}

// set writes the number of saves. A mark that cannot be written is left behind as it
// is: an older one asserts less, and is true.
func (m *mark) set(saves uint64) {
	if m.file == nil {
		return
	}
	if _, err := m.file.WriteAt(encodeMark(saves), int64(saves%2)*markSlot); err != nil {
		m.giveUp(err)
		_ = m.close()
	}
}

func (m *mark) giveUp(err error) {
	m.logger.Warn("cannot write the metadata log's mark: damage to what is saved from here to the next start may go unnoticed", "error", err)
}

func (m *mark) close() error {
	if m.file == nil {
		return nil
	}
	err := errors.Join(m.file.SyncData(), m.file.Close())
	m.file = nil
	return err
}
