package broker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Fetch response is nearly all record batches, and encoding it copies them, MiB
// after MiB, out of one cold buffer into another: a quarter of all processor time
// of a consumer over loopback. So the response is encoded without them, and the
// socket gets the pieces in one call.
//
// kmsg encodes whole responses only. Therefore a mark stands in for each
// partition's records, and the places where it came out are where they go. The
// mark is random, and nothing that a client has written is in what is searched, so
// it is there by accident as often as a UUID repeats; even that is noticed.

// spliceBytes of records are worth it.
const spliceBytes = 16 << 10

var mark = uuid.New()

// encode makes a response's frame, in pieces. The first is in dst's memory, which
// is returned for reuse; others may be the response's own bytes.
func encode(dst []byte, correlation int32, resp kmsg.Response) (frame net.Buffers, kept []byte) {
	if f, ok := resp.(*kmsg.FetchResponse); ok {
		if frame, kept = spliced(dst, correlation, f); frame != nil {
			return frame, kept
		}
	}
	dst = appendResponse(dst[:0], correlation, resp)
	return net.Buffers{dst}, dst
}

// spliced is encode for a response with many bytes of records; nil if there are
// few, or marks are not where they should be.
func spliced(dst []byte, correlation int32, f *kmsg.FetchResponse) (frame net.Buffers, kept []byte) {
	records, size := takeRecords(f)
	if size >= spliceBytes {
		dst = appendResponse(dst[:0], correlation, f)
	}
	giveRecords(f, records)
	if size < spliceBytes || bytes.Count(dst, mark[:]) != len(records) {
		return nil, dst
	}
	rest := dst
	lengths := make([]byte, binary.MaxVarintLen32*len(records))
	total := len(dst)
	for _, r := range records {
		at := bytes.Index(rest, mark[:])
		length, marked := lengthOf(f, lengths, len(r))
		frame = append(frame, rest[:at-marked], length, r)
		total += len(length) + len(r) - marked - len(mark)
		rest, lengths = rest[at+len(mark):], lengths[len(length):]
	}
	binary.BigEndian.PutUint32(dst, uint32(total-4))
	return append(frame, rest), dst
}

// gatherBytes is a TLS record's largest.
const gatherBytes = 16 << 10

var gatherers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, gatherBytes) }}

// gather writes a frame's pieces as if they were one.
func gather(w io.Writer, f net.Buffers) (sent int64, err error) {
	b := gatherers.Get().(*bufio.Writer)
	b.Reset(w)
	defer func() { b.Reset(nil); gatherers.Put(b) }()
	for _, piece := range f {
		n, err := b.Write(piece)
		sent += int64(n)
		if err != nil {
			return sent, err
		}
	}
	return sent, b.Flush()
}

// takeRecords puts marks in the place of all records.
func takeRecords(f *kmsg.FetchResponse) (records [][]byte, size int) {
	for i := range f.Topics {
		for j := range f.Topics[i].Partitions {
			p := &f.Topics[i].Partitions[j]
			if len(p.RecordBatches) > 0 {
				records = append(records, p.RecordBatches)
				size += len(p.RecordBatches)
				p.RecordBatches = mark[:]
			}
		}
	}
	return records, size
}

// giveRecords undoes takeRecords.
func giveRecords(f *kmsg.FetchResponse, records [][]byte) {
	for i := range f.Topics {
		for j := range f.Topics[i].Partitions {
			p := &f.Topics[i].Partitions[j]
			if len(p.RecordBatches) > 0 {
				p.RecordBatches, records = records[0], records[1:]
			}
		}
	}
}

// lengthOf is what stands before n bytes of records, made in dst's memory, and how
// long it is before a mark.
func lengthOf(f *kmsg.FetchResponse, dst []byte, n int) (length []byte, marked int) {
	if f.IsFlexible() {
		return binary.AppendUvarint(dst[:0], uint64(n)+1), 1
	}
	return binary.BigEndian.AppendUint32(dst[:0], uint32(n)), 4
}
