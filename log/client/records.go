package client

import (
	"github.com/millrace/millrace/log/record"
)

// Header is a record header.
type Header = record.KV

// Records walks the records of a Fetched, skipping those below its position,
// without allocating per record. The zero value is ready; reuse one from Reset to
// Reset, because it keeps the memory that batches are decompressed into. Not for
// concurrent use.
//
//	var it client.Records
//	for it.Reset(f); it.Next(); {
//		use(it.Offset, it.Value)
//	}
//	if err := it.Err(); err != nil { … }
type Records struct {
	// Record is the current record. Its bytes are the Fetched's, or, of a compressed
	// batch, lent until the walk enters the next batch: copy what is to be kept.
	record.Record

	reader  record.Reader
	batches [][]byte
	from    int64
	inside  bool // reader is in a batch
	err     error
}

// Reset starts over with f.
func (r *Records) Reset(f *Fetched) {
	r.batches, r.from, r.inside, r.err = f.Batches, f.From, false, nil
	r.reader.MaxBytes = int(f.decompressBytes)
}

// Next moves to the next record.
func (r *Records) Next() bool {
	for {
		for r.inside && r.reader.Next(&r.Record) {
			if r.Offset >= r.from {
				return true
			}
		}
		if r.inside && r.reader.Err() != nil {
			r.err = r.reader.Err()
		}
		r.inside = false
		if r.err != nil || len(r.batches) == 0 {
			return false
		}
		r.err = r.reader.Reset(r.batches[0])
		r.batches = r.batches[1:]
		r.inside = r.err == nil
	}
}

// Err is why Next returned false: nil at the end, or what is wrong with a batch.
func (r *Records) Err() error { return r.err }
