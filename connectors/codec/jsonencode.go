package codec

import (
	"bytes"
	"encoding/base64"
	stdjson "encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
)

// jsonEncoder writes objects. What stands before each value is made once.
type jsonEncoder struct {
	cols []jsonColumn
}

type jsonColumn struct {
	name   string
	before []byte // `{"ad":` or `,"ad":`
	valueWriter
}

func newJSONEncoder(schema *columnar.Schema) *jsonEncoder {
	e := &jsonEncoder{}
	for i, c := range schema.Columns {
		before := []byte{','}
		if i == 0 {
			before[0] = '{'
		}
		before = append(appendString(before, []byte(c.Name)), ':')
		e.cols = append(e.cols, jsonColumn{name: c.Name, before: before, valueWriter: newValueWriter(c.Type)})
	}
	return e
}

// Encode implements Encoder.
func (e *jsonEncoder) Encode(dst []byte, b *columnar.Batch, row int32) ([]byte, error) {
	begin := len(dst)
	for i := range e.cols {
		c := &e.cols[i]
		c.bind(b.Cols[i])
		dst = append(dst, c.before...)
		var err error
		if dst, err = c.json(dst, int(row)); err != nil {
			return dst[:begin], fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	if len(e.cols) == 0 {
		dst = append(dst, '{')
	}
	return append(dst, '}'), nil
}

// Header implements Encoder.
func (*jsonEncoder) Header() []byte { return nil }

// AppendJSON appends one value as JSON. It is for single values; whoever writes
// many rows makes an Encoder.
func AppendJSON(dst []byte, t columnar.Type, col arrow.Array, row int) ([]byte, error) {
	w := newValueWriter(t)
	w.bind(col)
	return w.json(dst, row)
}

// valueWriter writes the values of one column as text. It holds the array of the
// batch that is being written as slices: an array never changes, so the same
// array need not be taken apart again.
type valueWriter struct {
	typ  columnar.Type
	time timeWriter

	col   arrow.Array
	nulls bool
	i64   []int64
	f64   []float64
	off   []int32
	data  []byte
	bools *array.Boolean
}

func newValueWriter(t columnar.Type) valueWriter {
	return valueWriter{typ: t, time: newTimeWriter()}
}

func (w *valueWriter) bind(col arrow.Array) {
	if w.col == col {
		return
	}
	w.col, w.nulls = col, col.NullN() > 0
	switch a := col.(type) {
	case *array.Int64:
		w.i64 = a.Int64Values()
	case *array.Timestamp:
		w.i64 = arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(a.TimestampValues()))
	case *array.Float64:
		w.f64 = a.Float64Values()
	case *array.Boolean:
		w.bools = a
	case *array.String:
		w.off, w.data = a.ValueOffsets(), bytesOf(a.Data())
	case *array.Binary:
		w.off, w.data = a.ValueOffsets(), bytesOf(a.Data())
	default:
		panic(fmt.Sprintf("codec: no column of %s", col.DataType()))
	}
}

// bytesOf is the buffer that offsets of a text column point into.
func bytesOf(d arrow.ArrayData) []byte {
	if b := d.Buffers()[2]; b != nil {
		return b.Bytes()
	}
	return nil
}

func (w *valueWriter) null(row int) bool { return w.nulls && w.col.IsNull(row) }

func (w *valueWriter) bytes(row int) []byte { return w.data[w.off[row]:w.off[row+1]] }

// json appends a row's value as JSON.
func (w *valueWriter) json(dst []byte, row int) ([]byte, error) {
	if w.null(row) {
		return append(dst, "null"...), nil
	}
	switch w.typ.Kind {
	case columnar.Int64:
		return strconv.AppendInt(dst, w.i64[row], 10), nil
	case columnar.Float64:
		return appendFloat(dst, w.f64[row])
	case columnar.Bool:
		return strconv.AppendBool(dst, w.bools.Value(row)), nil
	case columnar.Timestamp:
		dst = append(dst, '"')
		dst, err := w.time.append(dst, w.i64[row])
		return append(dst, '"'), err
	case columnar.String:
		return appendString(dst, w.bytes(row)), nil
	case columnar.Bytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, w.bytes(row))
		return append(dst, '"'), nil
	case columnar.JSON:
		return appendRaw(dst, w.bytes(row)), nil
	}
	panic("codec: no notation for " + w.typ.String())
}

// appendRaw appends the text of a JSON column, on one line.
func appendRaw(dst, raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 {
		return append(dst, raw...)
	}
	var line bytes.Buffer
	if stdjson.Compact(&line, raw) != nil {
		return appendString(dst, raw) // not from a decoder: made by an operator, and not JSON
	}
	return append(dst, line.Bytes()...)
}

// appendString appends s in quotes. Only what must be is escaped, and bytes that
// are not UTF-8 become U+FFFD.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for {
		n := plainPrefix(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			return append(dst, '"')
		}
		dst, s = appendSpecial(dst, s)
	}
}

// plainPrefix is how many bytes of s need no escape; bytes above 127 count as
// special.
func plainPrefix(s []byte) int {
	p := 0
	for ; p+8 <= len(s); p += 8 {
		x := word(s, p)
		if hit := zeroes(x^quote) | zeroes(x^slash) | below32(x) | x&tops; hit != 0 {
			return p + bits.TrailingZeros64(hit)/8
		}
	}
	for ; p < len(s); p++ {
		if c := s[p]; c == '"' || c == '\\' || c < 0x20 || c >= 0x80 {
			return p
		}
	}
	return p
}

// appendSpecial appends the first character of s, which is not plain.
func appendSpecial(dst, s []byte) (out, rest []byte) {
	const hex = "0123456789abcdef"
	switch c := s[0]; {
	case c == '"' || c == '\\':
		return append(dst, '\\', c), s[1:]
	case c == '\n':
		return append(dst, '\\', 'n'), s[1:]
	case c == '\r':
		return append(dst, '\\', 'r'), s[1:]
	case c == '\t':
		return append(dst, '\\', 't'), s[1:]
	case c < 0x20:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15]), s[1:]
	}
	r, n := utf8.DecodeRune(s)
	return utf8.AppendRune(dst, r), s[n:]
}
