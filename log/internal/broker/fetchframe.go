package broker

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A Fetch response is nearly all record batches, or, of a consumer that waits for a
// thousand partitions of which one has got something, nearly all partitions without
// any. kmsg's encoder copies the one, MiB after MiB, out of one cold buffer into
// another, a quarter of all processor time of a consumer over loopback; and of each of
// the other it asks by reflection whether three tagged structs have their defaults,
// which is half of what such a poll costs. So this response alone is encoded here:
// large batches stay where they are, and the socket gets the pieces in one call. What
// is sent is what kmsg would send, which a test holds for every version.

// spliceBytes of records are a piece of their own; fewer are copied.
const spliceBytes = 8 << 10

// encode makes a response's frame, in pieces. The first is in dst's memory, which
// is returned for reuse; others may be the response's own bytes.
func encode(dst []byte, correlation int32, resp kmsg.Response) (frame net.Buffers, kept []byte) {
	if f, ok := resp.(*kmsg.FetchResponse); ok {
		e := fetchFrame{b: dst[:0], flexible: f.IsFlexible()}
		e.response(correlation, f)
		return e.pieces(), e.b
	}
	dst = appendResponse(dst[:0], correlation, resp)
	return net.Buffers{dst}, dst
}

// fetchFrame is a Fetch response's frame that is being made.
type fetchFrame struct {
	b        []byte // all but the records that are pieces of their own
	flexible bool
	apart    []apart
	size     int // of all in apart
}

// apart is records that stand between the bytes before at and those from there on.
type apart struct {
	at      int
	records []byte
}

func (e *fetchFrame) response(correlation int32, f *kmsg.FetchResponse) {
	e.i32(0) // the length
	e.i32(correlation)
	e.noTags()
	e.i32(f.ThrottleMillis)
	if f.Version >= 7 {
		e.i16(f.ErrorCode)
		e.i32(f.SessionID)
	}
	e.length(len(f.Topics), false)
	for i := range f.Topics {
		t := &f.Topics[i]
		switch {
		case f.Version >= 13:
			e.b = append(e.b, t.TopicID[:]...)
		case e.flexible:
			e.length(len(t.Topic), false)
			e.b = append(e.b, t.Topic...)
		default:
			e.i16(int16(len(t.Topic)))
			e.b = append(e.b, t.Topic...)
		}
		e.length(len(t.Partitions), false)
		for j := range t.Partitions {
			e.partition(&t.Partitions[j], f.Version)
		}
		e.noTags()
	}
	e.brokers(f.Brokers)
	binary.BigEndian.PutUint32(e.b, uint32(len(e.b)+e.size-4))
}

func (e *fetchFrame) partition(p *kmsg.FetchResponseTopicPartition, version int16) {
	e.i32(p.Partition)
	e.i16(p.ErrorCode)
	e.i64(p.HighWatermark)
	e.i64(p.LastStableOffset)
	if version >= 5 {
		e.i64(p.LogStartOffset)
	}
	e.length(len(p.AbortedTransactions), p.AbortedTransactions == nil)
	for i := range p.AbortedTransactions {
		e.i64(p.AbortedTransactions[i].ProducerID)
		e.i64(p.AbortedTransactions[i].FirstOffset)
		e.noTags()
	}
	if version >= 11 {
		e.i32(p.PreferredReadReplica)
	}
	e.length(len(p.RecordBatches), p.RecordBatches == nil)
	if len(p.RecordBatches) < spliceBytes {
		e.b = append(e.b, p.RecordBatches...)
	} else {
		e.apart = append(e.apart, apart{len(e.b), p.RecordBatches})
		e.size += len(p.RecordBatches)
	}
	if e.flexible {
		e.partitionTags(p)
	}
}

// partitionTags are where the client's log diverges, tag 0, and who leads, tag 1. Both
// say -1 by default, and then are left out.
func (e *fetchFrame) partitionTags(p *kmsg.FetchResponseTopicPartition) {
	d, l := &p.DivergingEpoch, &p.CurrentLeader
	diverges, moved := d.Epoch != -1 || d.EndOffset != -1, l.LeaderID != -1 || l.LeaderEpoch != -1
	n := byte(0)
	if diverges {
		n++
	}
	if moved {
		n++
	}
	e.b = append(e.b, n)
	if diverges {
		e.b = append(e.b, 0, 4+8+1)
		e.i32(d.Epoch)
		e.i64(d.EndOffset)
		e.noTags()
	}
	if moved {
		e.b = append(e.b, 1, 4+4+1)
		e.i32(l.LeaderID)
		e.i32(l.LeaderEpoch)
		e.noTags()
	}
}

// brokers are the response's tag 0: where the leaders are that the partitions name.
func (e *fetchFrame) brokers(list []kmsg.FetchResponseBroker) {
	if !e.flexible {
		return
	}
	if len(list) == 0 {
		e.noTags()
		return
	}
	in := fetchFrame{flexible: true}
	in.length(len(list), false)
	for i := range list {
		b := &list[i]
		in.i32(b.NodeID)
		in.length(len(b.Host), false)
		in.b = append(in.b, b.Host...)
		in.i32(b.Port)
		in.length(0, true) // the rack, which we do not tell
		in.noTags()
	}
	e.b = append(e.b, 1, 0)
	e.b = binary.AppendUvarint(e.b, uint64(len(in.b)))
	e.b = append(e.b, in.b...)
}

func (e *fetchFrame) i16(v int16) { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *fetchFrame) i32(v int32) { e.b = binary.BigEndian.AppendUint32(e.b, uint32(v)) }
func (e *fetchFrame) i64(v int64) { e.b = binary.BigEndian.AppendUint64(e.b, uint64(v)) }

// length is that of an array or of bytes, and in flexible versions of a string.
func (e *fetchFrame) length(n int, null bool) {
	switch {
	case e.flexible && null:
		e.b = append(e.b, 0)
	case e.flexible:
		e.b = binary.AppendUvarint(e.b, uint64(n)+1)
	case null:
		e.i32(-1)
	default:
		e.i32(int32(n))
	}
}

// noTags ends a struct of a flexible version.
func (e *fetchFrame) noTags() {
	if e.flexible {
		e.b = append(e.b, 0)
	}
}

// pieces are the frame's bytes in order.
func (e *fetchFrame) pieces() net.Buffers {
	frame := make(net.Buffers, 0, 2*len(e.apart)+1)
	from := 0
	for _, a := range e.apart {
		frame = append(frame, e.b[from:a.at], a.records)
		from = a.at
	}
	return append(frame, e.b[from:])
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
