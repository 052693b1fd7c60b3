package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A journal file is a page with a frame, then records, each from the beginning of
// a page on and as long as it needs. A file never changes its size: what is not
// written yet is zero, or what an earlier use of the file has left. Big endian.
//
// Payload of the frame, kind JRNL:
//
//	salt  8 bytes  drawn once per process; records carry it
//	size  int64    of the file
//
// Record:
//
//	 0  magic   4 bytes  "MJRN"
//	 4  crc     uint32   CRC-32C of bytes 8 to 39 and the payload
//	 8  length  uint32   of the payload
//	12  count   uint32   of entries
//	16  salt    8 bytes
//	24  round   uint64   rises by one from record to record, over all files
//	32  oldest  uint64   the first round that replay still needs
//	40  payload
//
// Entry:
//
//	 0  kind         1 byte
//	 1  topic id     16 bytes
//	17  partition    int32
//	21  leader epoch int32   of the first batch, -1 without one
//	25  base offset  int64   where the log ended before, -1 without batches
//	33  length       uint32  of the batches
//	37  batches      as they are in the segment
const (
	kindJournal   = "JRNL" // truth: what is acknowledged and in no segment yet
	journalPage   = 4096
	recordMagic   = "MJRN"
	recordHeader  = 40
	entryHeader   = 37
	journalHeader = frameHeader + 16
	// maxRecord bounds what replay reads into memory at once.
	maxRecord = 8 << 20
)

// entryKind is what a journal entry says about a log.
type entryKind uint8

const (
	// entryBatches were appended.
	entryBatches entryKind = 1
	// entryForget voids all earlier entries of the log: they are in its segments, or
	// were cut off these, or the log was deleted.
	entryForget entryKind = 2
)

// journalEntry is one entry, decoded.
type journalEntry struct {
	kind    entryKind
	log     TopicPartition
	epoch   int32
	base    int64
	batches []byte
}

// appendEntryHeader begins an entry; its batches follow.
func appendEntryHeader(b []byte, kind entryKind, id TopicPartition, epoch int32, base int64, size int) []byte {
	b = append(b, byte(kind))
	b = append(b, id.TopicID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(id.Partition))
	b = binary.BigEndian.AppendUint32(b, uint32(epoch))
	b = binary.BigEndian.AppendUint64(b, uint64(base))
	return binary.BigEndian.AppendUint32(b, uint32(size))
}

// recordHead is a record's header, decoded.
type recordHead struct {
	length, count uint32
	salt          [8]byte
	round, oldest uint64
}

// sealRecord fills in the header of a record, whose first recordHeader bytes are
// room for it, and pads it to whole pages.
func sealRecord(b []byte, h recordHead) []byte {
	h.length = uint32(len(b) - recordHeader)
	copy(b, recordMagic)
	binary.BigEndian.PutUint32(b[8:], h.length)
	binary.BigEndian.PutUint32(b[12:], h.count)
	copy(b[16:], h.salt[:])
	binary.BigEndian.PutUint64(b[24:], h.round)
	binary.BigEndian.PutUint64(b[32:], h.oldest)
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return append(b, zeroPage[:int(inPages(len(b)))-len(b)]...)
}

var zeroPage [journalPage]byte

// inPages is a size, rounded up.
func inPages(size int) int64 { return int64(size+journalPage-1) / journalPage * journalPage }

// parseRecordHead reads a header of which nothing is believed but the length, as
// far as it is possible. ok is false if no record of that salt can begin so.
func parseRecordHead(b []byte, salt [8]byte, left int64) (h recordHead, ok bool) {
	if len(b) < recordHeader || string(b[:4]) != recordMagic || string(b[16:24]) != string(salt[:]) {
		return h, false
	}
	h = recordHead{
		length: binary.BigEndian.Uint32(b[8:]), count: binary.BigEndian.Uint32(b[12:]), salt: salt,
		round: binary.BigEndian.Uint64(b[24:]), oldest: binary.BigEndian.Uint64(b[32:]),
	}
	return h, h.length <= maxRecord && int64(h.length)+recordHeader <= left
}

// recordIsWhole compares a record, header and payload, with its checksum.
func recordIsWhole(b []byte) bool {
	return crc32.Checksum(b[8:], castagnoli) == binary.BigEndian.Uint32(b[4:])
}

// walkEntries calls f with each entry of a payload and the position of its batches
// in it.
func walkEntries(payload []byte, count uint32, f func(e journalEntry, at int) error) error {
	d := decoder{b: payload}
	for range count {
		e := journalEntry{kind: entryKind(d.u8()), log: TopicPartition{d.id(), d.i32()}, epoch: d.i32(), base: d.i64()}
		size := d.count(1)
		if d.err != nil {
			return d.err
		}
		at := len(payload) - len(d.b)
		e.batches = d.b[:size]
		d.b = d.b[size:]
		switch {
		case e.kind == entryForget && size == 0:
		case e.kind == entryBatches && size > 0 && e.base >= 0 && e.log.Partition >= 0:
		default:
			return fmt.Errorf("%w: entry of kind %d with %d bytes", errFrame, e.kind, size)
		}
		if err := f(e, at); err != nil {
			return err
		}
	}
	return d.end()
}

// encodeJournalHeader is a file's first page.
func encodeJournalHeader(salt [8]byte, size int64) []byte {
	payload := binary.BigEndian.AppendUint64(append([]byte(nil), salt[:]...), uint64(size))
	return append(appendFrame(nil, kindJournal, payload), make([]byte, journalPage-journalHeader)...)
}

// decodeJournalHeader reads a file's first page.
func decodeJournalHeader(page []byte) (salt [8]byte, size int64, err error) {
	payload, err := parseFrame(page[:min(len(page), journalHeader)], kindJournal)
	if err != nil {
		return salt, 0, err
	}
	d := decoder{b: payload}
	copy(salt[:], d.take(8))
	size = d.i64()
	return salt, size, d.end()
}
