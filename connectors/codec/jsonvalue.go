package codec

import (
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/millrace/millrace/operators/columnar"
)

// value reads the value at p into a field's column and returns the index after
// it.
func (d *jsonDecoder) value(field int, v []byte, p int) (int, error) {
	if field == skipped {
		return skipValue(v, p)
	}
	f := &d.fields[field]
	if p >= len(v) {
		return p, errEnd
	}
	switch f.typ.Kind {
	case columnar.Int64:
		n, end := scanDecimal(v, p)
		if end == 0 {
			break
		}
		i, err := n.scaled(0, false)
		if err != nil {
			return p, err
		}
		f.col.AppendInt64(i)
		return end, nil
	case columnar.String:
		if v[p] != '"' {
			break
		}
		if end, ok := plainString(v, p+1); ok {
			f.col.AppendBytes(v[p+1 : end])
			return end + 1, nil
		}
		return d.escaped(f, v, p+1)
	case columnar.Float64:
		n, end := scanDecimal(v, p)
		if end == 0 {
			break
		}
		x, err := n.float(v[p:end])
		if err != nil {
			return p, err
		}
		f.col.AppendFloat64(x)
		return end, nil
	case columnar.Timestamp:
		n, end := scanDecimal(v, p)
		if end == 0 {
			return d.time(f, v, p)
		}
		t, err := n.scaled(f.shift, true)
		if err != nil {
			return p, err
		}
		f.col.AppendInt64(t)
		return end, nil
	case columnar.Bool:
		if end := literal(v, p, "true"); end > 0 {
			f.col.AppendBool(true)
			return end, nil
		}
		if end := literal(v, p, "false"); end > 0 {
			f.col.AppendBool(false)
			return end, nil
		}
	case columnar.Bytes:
		if v[p] == '"' {
			return d.base64(f, v, p+1)
		}
	case columnar.JSON:
		if v[p] != 'n' {
			return d.raw(f, v, p)
		}
	}
	return d.null(f, v, p)
}

// literal is the index after a literal at p, 0 if it is not there.
func literal(v []byte, p int, text string) int {
	if len(v)-p >= len(text) && string(v[p:p+len(text)]) == text {
		return p + len(text)
	}
	return 0
}

// null reads a null, or says what stands there instead of the type.
func (d *jsonDecoder) null(f *jsonField, v []byte, p int) (int, error) {
	end := literal(v, p, "null")
	switch {
	case end == 0:
		return p, fmt.Errorf("%s is not %s", quoted(v[p:]), article(f.typ.Kind))
	case !f.typ.Nullable:
		return p, fmt.Errorf("null; declare it %s|null if that is allowed", f.typ)
	}
	f.col.AppendNull()
	return end, nil
}

func article(k columnar.Kind) string {
	switch k {
	case columnar.Int64:
		return "an int64"
	case columnar.Timestamp:
		return "a timestamp"
	}
	return "a " + k.String()
}

// escaped reads a string that the quick scan could not.
func (d *jsonDecoder) escaped(f *jsonField, v []byte, p int) (int, error) {
	var err error
	if d.scratch, p, err = unescape(d.scratch[:0], v, p); err != nil {
		return p, err
	}
	f.col.AppendBytes(d.scratch)
	return p, nil
}

func (d *jsonDecoder) time(f *jsonField, v []byte, p int) (int, error) {
	if v[p] != '"' {
		return d.null(f, v, p)
	}
	end, ok := plainString(v, p+1)
	if !ok {
		return p, errTimeText
	}
	t, err := parseTime(v[p+1 : end])
	if err != nil {
		return p, fmt.Errorf("%s is %w", quoted(v[p:end+1]), err)
	}
	f.col.AppendInt64(t)
	return end + 1, nil
}

var errBase64 = errors.New("not Base64")

func (d *jsonDecoder) base64(f *jsonField, v []byte, p int) (int, error) {
	text, end := d.scratch[:0], 0
	var err error
	if text, end, err = unescape(text, v, p); err != nil {
		return end, err
	}
	d.scratch = text
	// The decoded bytes are never longer: they overwrite what is read already.
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return p, errBase64
	}
	f.col.AppendBytes(text[:n])
	return end, nil
}

var errBadJSON = errors.New("the value is not valid JSON")

// raw keeps the text of a value.
func (d *jsonDecoder) raw(f *jsonField, v []byte, p int) (int, error) {
	end, err := skipValue(v, p)
	if err != nil {
		return end, err
	}
	if !stdjson.Valid(v[p:end]) {
		return p, errBadJSON
	}
	if !utf8.Valid(v[p:end]) {
		return p, errUTF8
	}
	f.col.AppendBytes(v[p:end])
	return end, nil
}
