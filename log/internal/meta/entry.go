package meta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrCorrupt means that bytes of the metadata log are not what was written.
var ErrCorrupt = errors.New("metadata log is corrupt")

// entryVersion begins every sealed value; see seal.
const entryVersion = 1

// sealedHeader is the version byte and the checksum.
const sealedHeader = 5

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal wraps what is kept in the raft log and beside it:
//
//	version 1 byte | crc32c of the rest, 4 bytes big endian | payload
func seal(payload []byte) []byte {
	b := make([]byte, sealedHeader, sealedHeader+len(payload))
	b[0] = entryVersion
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

// unseal checks and returns the payload, which is part of b.
func unseal(b []byte) ([]byte, error) {
	switch {
	case len(b) < sealedHeader:
		return nil, fmt.Errorf("%w: %d bytes are no sealed value", ErrCorrupt, len(b))
	case b[0] != entryVersion:
		return nil, fmt.Errorf("%w: entry version %d: start a newer millrace", ErrUnknownRecord, b[0])
	case crc32.Checksum(b[sealedHeader:], castagnoli) != binary.BigEndian.Uint32(b[1:]):
		return nil, fmt.Errorf("%w: checksum does not match", ErrCorrupt)
	}
	return b[sealedHeader:], nil
}

// encodeEntry is a batch of encoded records as the data of a log entry.
func encodeEntry(records [][]byte) []byte {
	size := 0
	for _, r := range records {
		size += len(r)
	}
	payload := make([]byte, 0, size)
	for _, r := range records {
		payload = append(payload, r...)
	}
	return seal(payload)
}

// decodeEntry is the batch in the data of a log entry.
func decodeEntry(data []byte) ([]Record, error) {
	payload, err := unseal(data)
	if err != nil {
		return nil, err
	}
	return DecodeRecords(payload)
}

// encodeImage is a snapshot of im.
func encodeImage(im *Image) []byte {
	var payload []byte
	for _, r := range im.Records() {
		payload = AppendRecord(payload, r)
	}
	return seal(payload)
}

// decodeImage is the image of a snapshot at index. No data is the empty image.
func decodeImage(index uint64, data []byte) (*Image, error) {
	if len(data) == 0 {
		return NewImage().Apply(index, nil)
	}
	records, err := decodeEntry(data)
	if err != nil {
		return nil, fmt.Errorf("snapshot at %d: %w", index, err)
	}
	return NewImage().Apply(index, records)
}
