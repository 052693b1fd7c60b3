package storage

import (
	"fmt"
	"io"
	"sync"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// walkWindow is how much of a segment is read at once to see headers.
const walkWindow = 16 << 10

// walker reads headers of batches, one after another, through a small window.
type walker struct {
	f      vfs.File
	size   int64
	buf    *[]byte
	have   []byte
	haveAt int64
}

var windows = sync.Pool{New: func() any { b := make([]byte, walkWindow); return &b }}

func newWalker(f vfs.File, size int64) *walker {
	return &walker{f: f, size: size}
}

func (w *walker) done() {
	if w.buf != nil {
		windows.Put(w.buf)
	}
}

// copy fills dst with the bytes at a position, if the window has them all.
func (w *walker) copy(dst []byte, pos int64) bool {
	at := pos - w.haveAt
	if at < 0 || at+int64(len(dst)) > int64(len(w.have)) {
		return false
	}
	copy(dst, w.have[at:])
	return true
}

// header is that of the batch at a position.
func (w *walker) header(pos int64) (record.Header, error) {
	if pos < w.haveAt || pos+record.HeaderSize > w.haveAt+int64(len(w.have)) {
		if w.buf == nil {
			w.buf = windows.Get().(*[]byte)
		}
		n, err := w.f.ReadAt((*w.buf)[:min(int64(len(*w.buf)), w.size-pos)], pos)
		w.have, w.haveAt = (*w.buf)[:n], pos
		if n < record.HeaderSize {
			if err == nil || err == io.EOF {
				err = &CorruptError{File: w.f.Name(), Position: pos, Durable: -1, Cause: io.ErrUnexpectedEOF}
			}
			return record.Header{}, err
		}
	}
	h, err := record.ParseHeader(w.have[pos-w.haveAt:])
	if err == nil && int64(h.Size()) > w.size-pos {
		err = fmt.Errorf("%d bytes where %d are left", h.Size(), w.size-pos)
	}
	if err != nil {
		return h, &CorruptError{File: w.f.Name(), Position: pos, Durable: -1, Cause: err}
	}
	return h, nil
}
