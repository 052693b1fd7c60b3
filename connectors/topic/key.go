package topic

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/operators/columnar"
)

// keyEncoder makes the keys of records.
type keyEncoder struct {
	cols []int
	buf  []byte // reused
}

func newKeyEncoder(schema *columnar.Schema, names []string) *keyEncoder {
	k := &keyEncoder{}
	for _, n := range names {
		i := schema.Index(n)
		if i < 0 {
			panic("topic: no key column " + n) // the dsl has checked the names
		}
		k.cols = append(k.cols, i)
	}
	return k
}

// encode is the key of a row, nil for none. It is lent until the next call.
func (k *keyEncoder) encode(b *columnar.Batch, row int32) ([]byte, error) {
	var err error
	if len(k.cols) == 1 {
		k.buf, err = k.single(b, k.cols[0], row)
		if b.Cols[k.cols[0]].IsNull(int(row)) {
			return nil, nil
		}
		return k.buf, err
	}
	k.buf = append(k.buf[:0], '[')
	for i, c := range k.cols {
		if i > 0 {
			k.buf = append(k.buf, ',')
		}
		if k.buf, err = k.json(k.buf, b, c, row); err != nil {
			return nil, err
		}
	}
	k.buf = append(k.buf, ']')
	return k.buf, nil
}

// single is the key of one column: text as it is, anything else as JSON.
func (k *keyEncoder) single(b *columnar.Batch, c int, row int32) ([]byte, error) {
	switch a := b.Cols[c].(type) {
	case *array.String:
		return append(k.buf[:0], a.Value(int(row))...), nil
	case *array.Binary:
		return append(k.buf[:0], a.Value(int(row))...), nil
	}
	return k.json(k.buf[:0], b, c, row)
}

func (k *keyEncoder) json(dst []byte, b *columnar.Batch, c int, row int32) ([]byte, error) {
	dst, err := codec.AppendJSON(dst, b.Schema.Columns[c].Type, b.Cols[c], int(row))
	if err != nil {
		return dst, fmt.Errorf("key column %s: %w", b.Schema.Columns[c].Name, err)
	}
	return dst, nil
}
