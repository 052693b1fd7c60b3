package storage

import (
	"cmp"
	"encoding/binary"
)

const (
	producerBytes = 8 + 2 + 4 + 8 + 8 + 8 + 1
	seenBytes     = 4 + 4 + 8 + 8 + 8
)

// encode is the payload of a .snapshot file: the state before the record at
// offset.
//
//	offset  int64
//	count   uint32
//	count times: producer id int64, epoch int16, coordinator epoch int32,
//	  first offset of the open transaction int64, timestamp int64, touched int64,
//	  batches uint8, and each: first sequence int32, last sequence int32,
//	  first offset int64, last offset int64, timestamp int64
func (t *producerTable) encode(offset int64) []byte {
	b := make([]byte, 0, 12+len(t.byID)*(producerBytes+seenBytes))
	b = binary.BigEndian.AppendUint64(b, uint64(offset))
	b = binary.BigEndian.AppendUint32(b, uint32(len(t.byID)))
	for _, id := range t.ids() {
		p := t.byID[id]
		b = binary.BigEndian.AppendUint64(b, uint64(id))
		b = binary.BigEndian.AppendUint16(b, uint16(p.epoch))
		b = binary.BigEndian.AppendUint32(b, uint32(p.coordinator))
		b = binary.BigEndian.AppendUint64(b, uint64(p.txnFirst))
		b = binary.BigEndian.AppendUint64(b, uint64(p.timestampMs))
		b = binary.BigEndian.AppendUint64(b, uint64(p.touchedMs))
		b = append(b, byte(p.n))
		for _, s := range p.batches[:p.n] {
			b = binary.BigEndian.AppendUint32(b, uint32(s.firstSeq))
			b = binary.BigEndian.AppendUint32(b, uint32(s.lastSeq))
			b = binary.BigEndian.AppendUint64(b, uint64(s.firstOffset))
			b = binary.BigEndian.AppendUint64(b, uint64(s.offset))
			b = binary.BigEndian.AppendUint64(b, uint64(s.timestampMs))
		}
	}
	return b
}

func decodeProducers(payload []byte) (t producerTable, offset int64, err error) {
	d := decoder{b: payload}
	offset = d.i64()
	n := d.count(producerBytes)
	t = producerTable{byID: make(map[int64]*producer, n)}
	for range n {
		id := d.i64()
		p := &producer{epoch: d.i16(), coordinator: d.i32(), txnFirst: d.i64(), timestampMs: d.i64(), touchedMs: d.i64()}
		kept := d.u8()
		if kept > batchesKept || id < 0 || d.err != nil {
			return t, 0, cmp.Or(d.err, errFrame)
		}
		for range kept {
			p.remember(seenBatch{d.i32(), d.i32(), d.i64(), d.i64(), d.i64()})
		}
		t.byID[id] = p
	}
	if len(t.byID) != n {
		return t, 0, errFrame
	}
	return t, offset, d.end()
}
