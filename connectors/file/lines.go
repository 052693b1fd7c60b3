package file

import (
	"bytes"
	"errors"
	"io"
)

// line is the next row's text without its line end; ok is false if the file has
// no whole row now. The position moves past it. A row that is longer than
// maxLine comes out cut to a little more than that, so that the caller can tell.
func (r *reader) line() (text []byte, ok bool, err error) {
	from := r.took  // where to look for the next line end
	lines := 0      // bytes of the row's lines before it
	goesOn := false // the row does, behind those
	for {
		if i := bytes.IndexByte(r.buf[from:], '\n'); i >= 0 {
			end := from + i
			text := trimCR(r.buf[r.took:end])
			if r.framed != nil {
				goesOn = r.framed.GoesOn(goesOn, r.buf[r.took+lines:end])
			}
			if goesOn && len(text) <= r.options.maxLine {
				from, lines = end+1, end+1-r.took
				continue
			}
			r.take(end + 1 - r.took)
			return text, true, nil
		}
		from = len(r.buf)
		if from-r.took > 2*r.options.maxLine {
			return r.skip()
		}
		more, err := r.fill(&from)
		if err != nil {
			return nil, false, err
		}
		if !more {
			return r.last()
		}
	}
}

// last is what stands behind the last line end: a row, unless the file grows.
func (r *reader) last() ([]byte, bool, error) {
	text := r.buf[r.took:]
	if len(text) == 0 || r.options.follow {
		return nil, false, nil
	}
	r.take(len(text))
	return trimCR(text), true, nil
}

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

func (r *reader) take(n int) {
	r.took += n
	r.at.offset += int64(n)
	r.at.row++
}

// fill reads more of the file behind buf; false means that there is no more now.
func (r *reader) fill(from *int) (bool, error) {
	if r.took > 0 {
		r.buf = append(r.buf[:0], r.buf[r.took:]...)
		*from -= r.took
		r.took = 0
	}
	n := len(r.buf)
	r.buf = append(r.buf, make([]byte, chunkBytes)...)
	got, err := r.file.ReadAt(r.buf[n:], r.at.offset+int64(n))
	r.buf = r.buf[:n+got]
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	r.end = got == 0
	return got > 0, nil
}

// skip passes over a row that is too long for memory.
func (r *reader) skip() ([]byte, bool, error) {
	head := append([]byte(nil), r.buf[r.took:r.took+r.options.maxLine+1]...)
	for {
		if i := bytes.IndexByte(r.buf[r.took:], '\n'); i >= 0 {
			r.take(i + 1)
			return head, true, nil
		}
		dropped := len(r.buf) - r.took
		r.took += dropped
		r.at.offset += int64(dropped)
		from := 0
		more, err := r.fill(&from)
		if err != nil {
			return nil, false, err
		}
		if !more {
			r.at.row++
			return head, true, nil
		}
	}
}
