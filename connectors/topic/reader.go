package topic

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
)

// targetBytes bounds a batch of large records. Of small ones the number of rows
// does: the default, 4096, amortises what a batch costs and keeps its columns in
// the second-level cache.
const targetBytes = 4 << 20

// errTombstone is the decode error of a record without a value.
var errTombstone = errors.New("the record has no value (a tombstone)")

// reader reads one partition. What a fetch brought may fill several batches, and
// several fetches one batch; next is always after the last record that was taken.
type reader struct {
	cursor  *client.Cursor
	decoder codec.Decoder
	// batchRows is the most rows of one Read.
	batchRows int

	fetched *client.Fetched // being walked; nil: take another
	records client.Records
	next    int64
	failed  error // to be returned by the next Read, after the rows before it

	// The result's memory, reused from Read to Read.
	out    connectors.Read
	pos    columnar.Positions
	posBuf [8]byte
}

// Read implements connectors.Reader.
func (r *reader) Read(ctx context.Context) (*connectors.Read, error) {
	r.out.Errors, r.out.Timestamps, r.pos.Offset = r.out.Errors[:0], r.out.Timestamps[:0], r.pos.Offset[:0]
	if r.failed == nil {
		r.failed = r.fill(ctx)
	}
	if r.failed != nil && r.decoder.Rows() == 0 && len(r.out.Errors) == 0 {
		err := r.failed
		r.failed = nil
		return nil, err
	}
	return r.result(), nil
}

// fill decodes until the batch is full or nothing more is at hand. It waits only
// while there is nothing at all.
func (r *reader) fill(ctx context.Context) error {
	size := 0
	for r.taken() < r.batchRows && size < targetBytes {
		if r.fetched == nil {
			got, err := r.take(ctx)
			if got == nil || err != nil {
				return err
			}
			r.fetched = got
			r.records.Reset(got)
		}
		n, err := r.walk(targetBytes - size)
		size += n
		if err != nil {
			return err
		}
		if r.fetched == nil && r.taken() == 0 {
			return nil // the position has passed what holds no rows, or stands at the end
		}
	}
	return nil
}

// taken is the number of records in the batch so far.
func (r *reader) taken() int { return r.decoder.Rows() + len(r.out.Errors) }

// take is the next stretch of the partition; nil if there is none at hand.
func (r *reader) take(ctx context.Context) (*client.Fetched, error) {
	if r.taken() > 0 {
		got, _, err := r.cursor.TryNext()
		return got, dress(err)
	}
	if got, ok, err := r.cursor.TryNext(); ok {
		return got, dress(err)
	}
	wait, cancel := context.WithTimeout(ctx, connectors.Linger)
	defer cancel()
	got, err := r.cursor.Next(wait)
	if err != nil && wait.Err() != nil {
		return nil, ctx.Err()
	}
	return got, dress(err)
}

// dress gives a client's error the sentinel that the engine branches on.
func dress(err error) error {
	var lost *client.OffsetOutOfRangeError
	if errors.As(err, &lost) {
		return fmt.Errorf("%w: %w", connectors.ErrOutOfRange, err)
	}
	return err
}

// walk decodes records of the current stretch and returns their size in bytes.
func (r *reader) walk(budget int) (int, error) {
	size := 0
	it := &r.records
	for r.taken() < r.batchRows && size < budget {
		if !it.Next() {
			if err := it.Err(); err != nil {
				return size, err
			}
			r.next = r.fetched.Next
			r.fetched = nil
			return size, nil
		}
		r.next = it.Offset + 1
		size += len(it.Value)
		if err := r.decode(it.Value); err != nil {
			r.out.Errors = append(r.out.Errors, connectors.DecodeError{
				Offset: it.Offset, Raw: bytes.Clone(it.Value), Key: bytes.Clone(it.Key), Err: err,
			})
			continue
		}
		r.pos.Offset = append(r.pos.Offset, it.Offset)
		r.out.Timestamps = append(r.out.Timestamps, it.Timestamp*1000)
	}
	return size, nil
}

func (r *reader) decode(value []byte) error {
	if value == nil {
		return errTombstone
	}
	return r.decoder.Decode(value)
}

// result wraps what was decoded.
func (r *reader) result() *connectors.Read {
	b := r.decoder.Flush()
	b.Pos = &r.pos
	r.out.Batch = b
	binary.BigEndian.PutUint64(r.posBuf[:], uint64(r.next))
	r.out.Next = r.posBuf[:]
	r.out.AtEnd = r.fetched == nil && r.cursor.AtEnd()
	return &r.out
}

// Committed implements connectors.Reader: the engine commits the offsets.
func (r *reader) Committed(context.Context, []byte) error { return nil }

// Close implements connectors.Reader.
func (r *reader) Close() error {
	r.cursor.Close()
	return nil
}
