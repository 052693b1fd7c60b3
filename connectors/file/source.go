package file

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators/columnar"
)

type sourceOptions struct {
	name    string
	path    string
	dir     string
	follow  bool
	maxLine int
	decoder func() (codec.Decoder, error)
}

type source struct{ sourceOptions }

func absolute(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Splits implements connectors.Source: a split per file, named by its path.
func (s *source) Splits(context.Context) ([]connectors.Split, error) {
	path := absolute(s.dir, s.path)
	paths := []string{path}
	if _, err := os.Stat(path); err != nil {
		if paths, err = filepath.Glob(path); err != nil {
			return nil, fmt.Errorf("path %q is not a valid pattern: %w", s.path, err)
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no file matches %s: check the path (a relative one starts from the directory in which the command runs)", path)
	}
	sort.Strings(paths)
	splits := make([]connectors.Split, len(paths))
	for i, p := range paths {
		splits[i] = connectors.Split{ID: p, Partition: int32(i)}
	}
	return splits, nil
}

// Open implements connectors.Source.
func (s *source) Open(_ context.Context, split connectors.Split, pos []byte) (connectors.Reader, error) {
	at, err := parsePosition(pos)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", split.ID, err)
	}
	d, err := s.decoder()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(split.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("file %s is not there any more: put it back, or start the pipeline under another name", split.ID)
	}
	if err != nil {
		return nil, err
	}
	r := &reader{options: s.sourceOptions, file: f, decoder: d, at: at}
	r.pos = columnar.Positions{Source: s.name, Split: split.ID, Partition: split.Partition}
	r.framed, _ = d.(codec.Framed)
	if err := r.start(); err != nil {
		f.Close()
		return nil, fmt.Errorf("file %s: %w", split.ID, err)
	}
	return r, nil
}

// Close implements connectors.Source.
func (s *source) Close() error { return nil }

// position is where the next row begins.
type position struct {
	offset int64 // bytes
	row    int64 // rows before it
}

func (p position) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(p.offset)), uint64(p.row))
}

func parsePosition(b []byte) (position, error) {
	switch len(b) {
	case 0:
		return position{}, nil
	case 16:
		return position{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}, nil
	}
	return position{}, fmt.Errorf("position %x is not one of a file", b)
}

// reader reads one file.
type reader struct {
	options sourceOptions
	file    *os.File
	decoder codec.Decoder
	framed  codec.Framed // nil if every line is a row
	at      position

	buf  []byte // bytes read and not yet taken, from offset at.offset on
	took int    // how much of buf is taken
	end  bool   // the last read reached the end of the file

	pos    columnar.Positions
	errs   []connectors.DecodeError
	result connectors.Read
}

// The size of one read of the file, and the most rows of one Read.
const (
	chunkBytes = 256 << 10
	batchRows  = 4096
)

// start checks that the file still reaches the position and reads its header.
func (r *reader) start() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("is a directory: name a file, or a pattern such as DIR/*.log")
	}
	if info.Mode().IsRegular() && info.Size() < r.at.offset {
		return fmt.Errorf("has %d bytes, but %d were already read: it was replaced or cut; start the pipeline under another name to read it anew", info.Size(), r.at.offset)
	}
	if r.framed == nil || !r.framed.TakesHeader() {
		return nil
	}
	at := r.at
	r.at = position{}
	line, ok, err := r.line()
	for !ok && err == nil && !r.end {
		line, ok, err = r.line()
	}
	if err != nil {
		return err
	}
	if !ok {
		return nil // an empty file has no rows either
	}
	if err := r.framed.Header(line); err != nil {
		return err
	}
	if at.offset > 0 { // go on where the last life stopped
		r.at, r.buf, r.took, r.end = at, r.buf[:0], 0, false
	}
	return nil
}

// Read implements connectors.Reader.
func (r *reader) Read(ctx context.Context) (*connectors.Read, error) {
	r.pos.Offset, r.errs = r.pos.Offset[:0], r.errs[:0]
	for r.decoder.Rows()+len(r.errs) < batchRows {
		line, ok, err := r.line()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		r.row(line)
	}
	if r.decoder.Rows() == 0 && len(r.errs) == 0 {
		if !r.options.follow {
			return nil, io.EOF
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
	b := r.decoder.Flush()
	b.Pos = &r.pos
	r.result = connectors.Read{Batch: b, Errors: r.errs, Next: r.at.bytes(), AtEnd: r.end}
	return &r.result, nil
}

func (r *reader) row(line []byte) {
	row := r.at.row - 1
	err := error(nil)
	if len(line) > r.options.maxLine {
		err = fmt.Errorf("the row has more than %d bytes (max_line)", r.options.maxLine)
		line = line[:min(len(line), 1024)]
	} else {
		err = r.decoder.Decode(line)
	}
	if err != nil {
		r.errs = append(r.errs, connectors.DecodeError{Offset: row, Raw: append([]byte(nil), line...), Err: err})
		return
	}
	r.pos.Offset = append(r.pos.Offset, row)
}

// pause waits before the next look at a file that may grow.
func pause(ctx context.Context) error {
	t := time.NewTimer(connectors.Linger)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Committed implements connectors.Reader.
func (r *reader) Committed(context.Context, []byte) error { return nil }

// Close implements connectors.Reader.
func (r *reader) Close() error {
	if err := r.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
