package file

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators/columnar"
)

// sink appends rows to a file and cuts it back to the last committed length.
//
// Until the first epoch has committed there is no such length: what the file held
// before the pipeline first ran is to stay, and what a crash leaves of the first
// epoch is to go. So that a restart can tell them apart, the file's length is
// noted beside it (see mark) before the first byte is written, and the note is
// removed by the first commit.
type sink struct {
	path    string
	owner   string // the pipeline and its node
	encoder codec.Encoder
	file    *os.File
	length  int64 // bytes in the file
	base    int64 // bytes it had before the pipeline first ran; -1 once that does not matter
	marked  bool  // base is noted beside the file
	buf     []byte
	dirty   bool // something was written since the last Prepare
	row     []byte
}

// handle is what Prepare leaves in the epoch's transaction.
type handle struct {
	Path   string `json:"path"`
	Length int64  `json:"length"`
}

// flushBytes is how much is gathered before it is written to the file.
const flushBytes = 256 << 10

func newSink(path, owner string, e codec.Encoder) *sink {
	return &sink{path: path, owner: owner, encoder: e}
}

// Write implements connectors.StagedSink.
func (s *sink) Write(b *columnar.Batch, rowError func(int32, error)) error {
	if s.length == 0 && len(s.buf) == 0 {
		if h := s.encoder.Header(); h != nil {
			s.append(h)
		}
	}
	for i := range b.Len() {
		row := int32(i)
		if b.Sel != nil {
			row = b.Sel[i]
		}
		out, err := s.encoder.Encode(s.row[:0], b, row)
		if err != nil {
			rowError(row, err)
			continue
		}
		s.row = out
		s.append(out)
	}
	if len(s.buf) >= flushBytes {
		return s.flush()
	}
	return nil
}

func (s *sink) append(line []byte) {
	s.buf = append(append(s.buf, line...), '\n')
	s.dirty = true
}

func (s *sink) flush() error {
	if s.base >= 0 && !s.marked {
		if err := writeMark(s.path, mark{s.owner, s.base}); err != nil {
			return err
		}
		s.marked = true
	}
	n, err := s.file.Write(s.buf)
	s.length += int64(n)
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return nil
}

// Prepare implements connectors.StagedSink.
func (s *sink) Prepare(context.Context, uint64) ([]byte, error) {
	if !s.dirty {
		return nil, nil
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	if err := s.file.Sync(); err != nil {
		return nil, fmt.Errorf("sync %s: %w", s.path, err)
	}
	s.dirty = false
	return json.Marshal(handle{s.path, s.length})
}

// Commit implements connectors.StagedSink: the rows are where they belong since
// Prepare.
func (s *sink) Commit(context.Context, []byte) error {
	return s.unmark()
}

// unmark forgets the length before the first epoch, which has committed.
func (s *sink) unmark() error {
	s.base = -1
	if !s.marked {
		return nil
	}
	s.marked = false
	return removeMark(s.path)
}

// Recover implements connectors.StagedSink.
func (s *sink) Recover(_ context.Context, last []byte) error {
	s.buf, s.dirty = s.buf[:0], false
	first := s.file == nil
	if first {
		if err := s.open(); err != nil {
			return err
		}
	}
	end, err := s.file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("seek %s: %w", s.path, err)
	}
	if first {
		if err := s.begin(end, last != nil); err != nil {
			return err
		}
	}
	if last == nil {
		return s.cut(end, s.base)
	}
	var h handle
	if err := json.Unmarshal(last, &h); err != nil {
		return fmt.Errorf("handle of %s: %w", s.path, err)
	}
	if h.Path != s.path {
		return fmt.Errorf("the last epoch wrote to %s, the pipeline now says %s: set the path back, or give the sink another name", h.Path, s.path)
	}
	if err := s.cut(end, h.Length); err != nil {
		return err
	}
	return s.unmark()
}

// begin finds out, at the start of a process, what the file held before the
// pipeline first ran.
func (s *sink) begin(end int64, committed bool) error {
	m, found, err := readMark(s.path)
	if err != nil {
		return err
	}
	if found && m.Owner != s.owner {
		return fmt.Errorf("%s is written by %s, whose first epoch is not finished: let that run, or remove %s to give it up", s.path, m.Owner, markPath(s.path))
	}
	s.base, s.marked = end, found
	if found && !committed {
		s.base = m.Length
	}
	return nil
}

// cut shortens the file to want.
func (s *sink) cut(end, want int64) error {
	if end < want {
		return fmt.Errorf("%s has %d bytes, but %d were committed: it was replaced or cut by somebody else; move it away and start the pipeline under another name", s.path, end, want)
	}
	if end > want {
		if err := s.file.Truncate(want); err != nil {
			return fmt.Errorf("cut %s: %w", s.path, err)
		}
	}
	if _, err := s.file.Seek(want, io.SeekStart); err != nil {
		return fmt.Errorf("seek %s: %w", s.path, err)
	}
	s.length = want
	return nil
}

// open opens or creates the file; a new file's name is made durable too.
func (s *sink) open() error {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("open the file to write: %w", err)
	}
	s.file = f
	return syncDir(s.path)
}

// Close implements connectors.StagedSink.
func (s *sink) Close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
