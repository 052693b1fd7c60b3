package storage

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// errBad is a place in a segment where no whole batch is, as opposed to a disk
// that cannot be read.
var errBad = errors.New("no record batch")

// scanner walks the batches of a segment from front to back and checks each one.
// Its memory does not depend on what the file says: a batch goes through the
// checksum in pieces, because its length may be a flipped bit.
type scanner struct {
	f    vfs.File
	pos  int64 // of the next batch
	size int64 // of the file
	next int64 // the lowest offset the next batch may have

	buf   []byte // what was read of the file, ahead of pos
	bufAt int64  // position of buf[0]
	spare []byte // a batch that is not whole in buf, see bytes
}

const scanBuffer = 256 << 10

func newScanner(f vfs.File, pos, size, next int64) *scanner {
	return &scanner{f: f, pos: pos, size: size, next: next, buf: make([]byte, 0, scanBuffer), bufAt: pos}
}

// at is n bytes at a position, n up to scanBuffer.
func (s *scanner) at(pos int64, n int) ([]byte, error) {
	if pos < s.bufAt || pos+int64(n) > s.bufAt+int64(len(s.buf)) {
		want := min(int64(cap(s.buf)), s.size-pos)
		got, err := s.f.ReadAt(s.buf[:want], pos)
		s.buf, s.bufAt = s.buf[:got], pos
		if got < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF // the file is shorter than its size
			}
			return nil, err
		}
	}
	return s.buf[pos-s.bufAt:][:n], nil
}

// batch is the next batch's header, and what it says if it is a marker. io.EOF is
// the end of the file, errBad bytes that are no batch, at s.pos; other errors are
// the disk's.
func (s *scanner) batch() (h record.Header, marker record.Control, err error) {
	if s.pos == s.size {
		return h, marker, io.EOF
	}
	if s.size-s.pos < record.HeaderSize {
		return h, marker, fmt.Errorf("%w: %d bytes are left", errBad, s.size-s.pos)
	}
	b, err := s.at(s.pos, record.HeaderSize)
	if err != nil {
		return h, marker, err
	}
	if h, err = record.ParseHeader(b); err != nil {
		return h, marker, fmt.Errorf("%w: %v", errBad, err)
	}
	if int64(h.Size()) > s.size-s.pos {
		return h, marker, fmt.Errorf("%w: %d bytes at offset %d, %d are left", errBad, h.Size(), h.BaseOffset, s.size-s.pos)
	}
	if h.BaseOffset < s.next {
		return h, marker, fmt.Errorf("%w: offset %d where %d is next", errBad, h.BaseOffset, s.next)
	}
	if err := s.checksum(&h); err != nil {
		return h, marker, err
	}
	if err := h.CheckCounts(); err != nil {
		return h, marker, fmt.Errorf("%w: %v", errBad, err)
	}
	if h.Control() && h.Count > 0 {
		if marker, err = s.marker(&h); err != nil {
			return h, marker, err
		}
	}
	s.pos += int64(h.Size())
	s.next = h.LastOffset() + 1
	return h, marker, nil
}

// bytes is the batch at a position that batch has just read, in the scanner's memory:
// it is valid until the next call.
func (s *scanner) bytes(pos int64, size int) ([]byte, error) {
	if pos >= s.bufAt && pos+int64(size) <= s.bufAt+int64(len(s.buf)) {
		return s.buf[pos-s.bufAt:][:size:size], nil
	}
	s.spare = slices.Grow(s.spare[:0], size)[:size]
	if n, err := s.f.ReadAt(s.spare, pos); n < size {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return s.spare, nil
}

func (s *scanner) checksum(h *record.Header) error {
	pos, end := s.pos+record.ChecksumFrom, s.pos+int64(h.Size())
	crc := uint32(0)
	for pos < end {
		b, err := s.at(pos, int(min(scanBuffer/2, end-pos)))
		if err != nil {
			return err
		}
		crc = crc32.Update(crc, castagnoli, b)
		pos += int64(len(b))
	}
	if crc != h.CRC {
		return fmt.Errorf("%w: checksum %08x at offset %d, the header says %08x", errBad, crc, h.BaseOffset, h.CRC)
	}
	return nil
}

// maxMarker is far above the one small record of a control batch.
const maxMarker = 4096

func (s *scanner) marker(h *record.Header) (record.Control, error) {
	if h.Size() > maxMarker {
		return record.Control{}, fmt.Errorf("%w: control batch of %d bytes", errBad, h.Size())
	}
	b, err := s.at(s.pos, h.Size())
	if err != nil {
		return record.Control{}, err
	}
	c, err := record.ParseControl(b)
	if err != nil {
		return c, fmt.Errorf("%w: %v", errBad, err)
	}
	return c, nil
}
