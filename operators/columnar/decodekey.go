package columnar

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrKey is wrapped when bytes are not a key of the given types.
var ErrKey = errors.New("not an encoded key of these columns")

// DecodeKey appends the values of an encoded key to one Buffer per column; the
// Buffers' types say what the key is made of. After an error the Buffers are not
// equally long.
func DecodeKey(key []byte, into []*Buffer) error {
	for _, b := range into {
		n, err := decodeColumn(key, b)
		if err != nil {
			return err
		}
		key = key[n:]
	}
	if len(key) != 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrKey, len(key))
	}
	return nil
}

// decodeColumn appends the first value of key and returns its size.
func decodeColumn(key []byte, b *Buffer) (int, error) {
	if len(key) == 0 {
		return 0, fmt.Errorf("%w: it is cut", ErrKey)
	}
	if key[0] == keyNull {
		b.AppendNull()
		return 1, nil
	}
	if key[0] != keyValue {
		return 0, fmt.Errorf("%w: tag %#x", ErrKey, key[0])
	}
	switch b.Type.Kind {
	case Bool:
		if len(key) < 2 || key[1] > 1 {
			return 0, fmt.Errorf("%w: no bool", ErrKey)
		}
		b.AppendBool(key[1] == 1)
		return 2, nil
	case Int64, Timestamp, Float64:
		if len(key) < 9 {
			return 0, fmt.Errorf("%w: it is cut", ErrKey)
		}
		u := binary.BigEndian.Uint64(key[1:])
		if b.Type.Kind == Float64 {
			b.AppendFloat64(FromOrderedFloat64(u))
		} else {
			b.AppendInt64(FromOrderedInt64(u))
		}
		return 9, nil
	}
	n, err := decodeBytes(key[1:], b)
	return n + 1, err
}

func decodeBytes(key []byte, b *Buffer) (int, error) {
	start := len(b.Data)
	for at := 0; ; {
		n := bytes.IndexByte(key[at:], escape)
		if n < 0 || at+n+1 >= len(key) {
			b.Data = b.Data[:start]
			return 0, fmt.Errorf("%w: a string does not end", ErrKey)
		}
		b.Data = append(b.Data, key[at:at+n]...)
		at += n + 2
		switch key[at-1] {
		case endOfBytes:
			b.AppendBytes(nil)
			return at, nil
		case escapedNul:
			b.Data = append(b.Data, escape)
		default:
			b.Data = b.Data[:start]
			return 0, fmt.Errorf("%w: a bad escape", ErrKey)
		}
	}
}
