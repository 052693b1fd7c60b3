package codec

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/operators/columnar"
)

// csvEncoder writes rows of separated values.
type csvEncoder struct {
	delimiter byte
	names     []string
	cols      []valueWriter
	header    []byte
}

func newCSVEncoder(schema *columnar.Schema, delimiter byte, header bool) *csvEncoder {
	e := &csvEncoder{delimiter: delimiter}
	for i, c := range schema.Columns {
		e.names = append(e.names, c.Name)
		e.cols = append(e.cols, newValueWriter(c.Type))
		if !header {
			continue
		}
		if i > 0 {
			e.header = append(e.header, delimiter)
		}
		e.header = e.text(e.header, []byte(c.Name))
	}
	return e
}

// Header implements Encoder.
func (e *csvEncoder) Header() []byte { return e.header }

// Encode implements Encoder.
func (e *csvEncoder) Encode(dst []byte, b *columnar.Batch, row int32) ([]byte, error) {
	begin := len(dst)
	for i := range e.cols {
		w := &e.cols[i]
		w.bind(b.Cols[i])
		if i > 0 {
			dst = append(dst, e.delimiter)
		}
		if w.null(int(row)) {
			continue
		}
		var err error
		if dst, err = e.value(dst, w, int(row)); err != nil {
			return dst[:begin], fmt.Errorf("column %s: %w", e.names[i], err)
		}
	}
	return dst, nil
}

func (e *csvEncoder) value(dst []byte, w *valueWriter, row int) ([]byte, error) {
	switch w.typ.Kind {
	case columnar.Int64:
		return strconv.AppendInt(dst, w.i64[row], 10), nil
	case columnar.Float64:
		return appendFloat(dst, w.f64[row])
	case columnar.Bool:
		return strconv.AppendBool(dst, w.bools.Value(row)), nil
	case columnar.Timestamp:
		return w.time.append(dst, w.i64[row])
	case columnar.Bytes:
		if len(w.bytes(row)) == 0 {
			return append(dst, '"', '"'), nil
		}
		return base64.StdEncoding.AppendEncode(dst, w.bytes(row)), nil
	}
	return e.text(dst, w.bytes(row)), nil
}

// text appends a text, in quotes if it needs them. An empty one does, to be told
// from null.
func (e *csvEncoder) text(dst, s []byte) []byte {
	if len(s) > 0 && bytes.IndexByte(s, e.delimiter) < 0 && !bytes.ContainsAny(s, "\"\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for {
		n := bytes.IndexByte(s, '"')
		if n < 0 {
			break
		}
		dst = append(append(dst, s[:n]...), '"', '"')
		s = s[n+1:]
	}
	return append(append(dst, s...), '"')
}
