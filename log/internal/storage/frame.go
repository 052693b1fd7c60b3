package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"

	"github.com/millrace/millrace/internal/vfs"
)

// Every small file of the data directory is one frame, replaced as a whole. Big
// endian:
//
//	 0  magic    8 bytes  "MILLRACE"
//	 8  kind     4 bytes  which file this is
//	12  version  uint16   of the payload
//	14  zero     uint16
//	16  length   uint32   of the payload
//	20  crc      uint32   CRC-32C of bytes 8 to 19 and the payload
//	24  payload
const (
	frameMagic  = "MILLRACE"
	frameHeader = 24
	// maxFrame bounds what is read into memory at once. The largest real frame is
	// the producer snapshot of 100 000 producers, 20 MB.
	maxFrame = 256 << 20
)

// The kinds of frames. Truth refuses the start if it is damaged or newer than
// this program; a cache is set aside and rebuilt.
const (
	kindNode       = "NODE" // truth: whose directory this is
	kindClean      = "CLEN" // truth: the previous shutdown was clean
	kindEpochs     = "EPOC" // truth: leader epochs
	kindStart      = "STRT" // truth: log start
	kindCheckpoint = "CKPT" // cache
	kindIndex      = "INDX" // cache
	kindTimes      = "TIME" // cache
	kindAborted    = "ABRT" // cache
	kindProducers  = "PROD" // cache
	kindDurable    = "DURE" // truth: the durable end of a damaged log
	kindSwap       = "SWAP" // truth while it is there: a compacted segment takes its place
	kindCleaner    = "CLNR" // cache
)

// formatVersion is the version of every payload so far.
const formatVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errFrame = errors.New("damaged file")
	errNewer = errors.New("written by a newer version of millrace")
)

// appendFrame wraps a payload.
func appendFrame(dst []byte, kind string, payload []byte) []byte {
	at := len(dst)
	dst = append(dst, frameMagic...)
	dst = append(dst, kind...)
	dst = binary.BigEndian.AppendUint16(dst, formatVersion)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	crc := crc32.Update(crc32.Checksum(dst[at+8:at+20], castagnoli), castagnoli, payload)
	dst = binary.BigEndian.AppendUint32(dst, crc)
	return append(dst, payload...)
}

// parseFrame unwraps one. The version is looked at before the checksum, which a
// newer format may compute differently.
func parseFrame(b []byte, kind string) ([]byte, error) {
	if len(b) < frameHeader || string(b[:8]) != frameMagic || string(b[8:12]) != kind {
		return nil, fmt.Errorf("%w: not a file of kind %s", errFrame, kind)
	}
	if v := binary.BigEndian.Uint16(b[12:]); v > formatVersion {
		return nil, fmt.Errorf("%w: format %d, this program knows %d", errNewer, v, formatVersion)
	}
	if n := binary.BigEndian.Uint32(b[16:]); uint64(n) != uint64(len(b)-frameHeader) {
		return nil, fmt.Errorf("%w: %d bytes, its length says %d", errFrame, len(b), uint64(n)+frameHeader)
	}
	payload := b[frameHeader:]
	crc := crc32.Update(crc32.Checksum(b[8:20], castagnoli), castagnoli, payload)
	if want := binary.BigEndian.Uint32(b[20:]); crc != want {
		return nil, fmt.Errorf("%w: checksum %08x, the header says %08x", errFrame, crc, want)
	}
	return payload, nil
}

// writeFrame replaces a file durably.
func writeFrame(fsys vfs.FS, name, kind string, payload []byte) error {
	return vfs.WriteFile(fsys, name, appendFrame(nil, kind, payload))
}

// readFrame is the payload of a file, nil without an error if there is none.
func readFrame(fsys vfs.FS, name, kind string) ([]byte, error) {
	b, err := vfs.ReadFile(fsys, name, maxFrame)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	payload, err := parseFrame(b, kind)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Base(name), err)
	}
	if payload == nil {
		payload = []byte{}
	}
	return payload, nil
}

// decoder reads the fields of a payload; after the first that is missing,
// everything is zero and err says so.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b) {
		if d.err == nil {
			d.err = fmt.Errorf("%w: %d bytes missing at its end", errFrame, n-len(d.b))
		}
		return make([]byte, min(max(n, 0), 16))
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) u8() uint8 { return d.take(1)[0] }

func (d *decoder) i16() int16 { return int16(binary.BigEndian.Uint16(d.take(2))) }

func (d *decoder) u32() uint32 { return binary.BigEndian.Uint32(d.take(4)) }

func (d *decoder) i32() int32 { return int32(d.u32()) }

func (d *decoder) i64() int64 { return int64(binary.BigEndian.Uint64(d.take(8))) }

func (d *decoder) id() (id [16]byte) {
	copy(id[:], d.take(16))
	return id
}

// count reads a number of entries and refuses one that the rest cannot hold.
func (d *decoder) count(entryBytes int) int {
	n := d.u32()
	if d.err == nil && uint64(n)*uint64(entryBytes) > uint64(len(d.b)) {
		d.err = fmt.Errorf("%w: %d entries in %d bytes", errFrame, n, len(d.b))
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// end is the error of the whole payload, which must be used up.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%w: %d bytes too many", errFrame, len(d.b))
	}
	return d.err
}
