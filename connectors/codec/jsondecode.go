package codec

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/operators/columnar"
)

// jsonDecoder reads objects into columns.
//
// The simple way is a tree or a map per row, at 0.4 to 3 microseconds for 200
// bytes. Two things are cheaper. Values go from the text straight into columns,
// and fields that nobody reads are skipped. And since the rows of a topic are
// nearly always written by the same program, all that stands between the values
// (braces, keys, colons, commas) is remembered from the last row and compared as
// a whole; where it differs, the row is read the general way, and its layout is
// the new one.
//
//  1. Both ways read a value by the same function, so they agree on every row.
//  2. A row that the quick way cannot finish is read again the general way, which
//     alone makes errors.
//  3. A field counts where it stands first; a layout has it there only.
type jsonDecoder struct {
	columns
	fields []jsonField
	byName map[string]int
	order  []orderedKey // the keys of the rows so far, as they first came
	turn   int          // which of them is expected next
	layout layout

	row     uint64   // counts rows, to tell what was seen in this one
	seen    []uint64 // by field: the row in which it was last seen
	scratch []byte
}

// jsonField is a wanted column.
type jsonField struct {
	name  string
	typ   columnar.Type
	shift int   // of a timestamp's unit
	scale int64 // of a number: 10 to the shift for a timestamp, 1 for an int64
	col   *columnar.Buffer
}

// skipped is the field of a key that is not wanted, or not any more.
const skipped = -1

func newJSONDecoder(schema *columnar.Schema, want []string) *jsonDecoder {
	d := &jsonDecoder{columns: *newColumns(schema, want), byName: map[string]int{}}
	for i, c := range schema.Columns {
		if d.cols[i] != nil {
			d.byName[c.Name] = len(d.fields)
			d.fields = append(d.fields, newJSONField(c, d.cols[i]))
		}
	}
	d.seen = make([]uint64, len(d.fields))
	return d
}

func newJSONField(c columnar.Column, col *columnar.Buffer) jsonField {
	f := jsonField{name: c.Name, typ: c.Type, scale: 1, col: col}
	if c.Type.Kind == columnar.Timestamp {
		f.shift = unitShift(c.Type.Unit)
		for range f.shift {
			f.scale *= 10
		}
	}
	return f
}

// Decode implements Decoder.
func (d *jsonDecoder) Decode(value []byte) error {
	d.begin()
	if d.layout.known && d.quick(value) {
		d.rows++
		d.layout.misses = 0
		return nil
	}
	d.rollback()
	d.row++
	d.turn = 0
	d.layout.forget()
	if err := d.walk(value); err != nil {
		d.rollback()
		d.layout.forget()
		return err
	}
	d.rows++
	return nil
}

// walk reads an object of any layout, and learns it.
func (d *jsonDecoder) walk(v []byte) error {
	p := skipSpace(v, 0)
	if p == len(v) {
		return errors.New("the value is empty, not a JSON object")
	}
	if v[p] != '{' {
		return at(p, fmt.Errorf("not a JSON object but %s", quoted(v[p:])))
	}
	p = skipSpace(v, p+1)
	between := 0 // where the text since the last value begins
	for first := true; ; first = false {
		if p < len(v) && v[p] == '}' && first {
			break
		}
		field, next, err := d.key(v, p)
		if err != nil {
			return at(next, err)
		}
		p = next
		if p == len(v) {
			return at(p, errEnd)
		}
		d.layout.add(v[between:p], field, d.opOf(field, v[p]))
		if p, err = d.value(field, v, p); err != nil {
			return d.blame(field, p, err)
		}
		between = p
		p = skipSpace(v, p)
		if p == len(v) {
			return at(p, errEnd)
		}
		if v[p] == '}' {
			break
		}
		if v[p] != ',' {
			return at(p, fmt.Errorf("after a value comes , or } but here is %s", quoted(v[p:])))
		}
		p = skipSpace(v, p+1)
	}
	if p = skipSpace(v, p+1); p != len(v) {
		return at(p, fmt.Errorf("after the object comes %s", quoted(v[p:])))
	}
	d.layout.finish(v[between:])
	return d.absent()
}

// key reads a key with its colon and finds its field. next is the value's index.
func (d *jsonDecoder) key(v []byte, p int) (field, next int, err error) {
	if p >= len(v) {
		return 0, p, errEnd
	}
	if v[p] != '"' {
		return 0, p, fmt.Errorf("a key in quotes is expected, but here is %s", quoted(v[p:]))
	}
	var name []byte
	if end, ok := plainString(v, p+1); ok {
		name, p = v[p+1:end], end+1
	} else {
		d.scratch, p, err = unescape(d.scratch[:0], v, p+1)
		if err != nil {
			return 0, p, err
		}
		name = d.scratch
	}
	field = d.lookUp(name)
	if field != skipped {
		if d.seen[field] == d.row {
			field = skipped
		} else {
			d.seen[field] = d.row
		}
	}
	if p = skipSpace(v, p); p == len(v) || v[p] != ':' {
		return 0, p, fmt.Errorf("after the key %s comes a colon", quoted(name))
	}
	return field, skipSpace(v, p+1), nil
}

// lookUp finds the field of a key. Keys come in the same order in most rows, with
// one left out now and then, so the next few of the order are tried before the
// map.
func (d *jsonDecoder) lookUp(name []byte) int {
	for i := d.turn; i < min(d.turn+3, len(d.order)); i++ {
		if d.order[i].name == string(name) {
			d.turn = i + 1
			return d.order[i].field
		}
	}
	field, ok := d.byName[string(name)]
	if !ok {
		field = skipped
	}
	if d.turn == len(d.order) && len(d.order) < maxOrder {
		d.order = append(d.order, orderedKey{string(name), field})
		d.turn++
	}
	return field
}

// maxOrder bounds the order of keys that is remembered.
const maxOrder = 64

// orderedKey is a key of the rows and its field, skipped if it is not wanted.
type orderedKey struct {
	name  string
	field int
}

// absent fills in the fields that the row does not have.
func (d *jsonDecoder) absent() error {
	for i := range d.fields {
		f := &d.fields[i]
		if d.seen[i] == d.row {
			continue
		}
		if !f.typ.Nullable {
			return fmt.Errorf("field %s is missing; declare it %s|null if that is allowed", f.name, f.typ)
		}
		f.col.AppendNull()
		d.layout.missing = append(d.layout.missing, i)
	}
	return nil
}

// blame names the field of an error.
func (d *jsonDecoder) blame(field, p int, err error) error {
	if field == skipped {
		return at(p, err)
	}
	f := &d.fields[field]
	switch {
	case errors.Is(err, errRange):
		err = fmt.Errorf("the number is out of range for %s", f.typ)
	case errors.Is(err, errNotInt):
		err = errors.New("the number has a fraction, which an int64 does not")
	}
	return fmt.Errorf("field %s: %w", f.name, err)
}

// at says where in the value something is wrong.
func at(p int, err error) error { return fmt.Errorf("byte %d: %w", p, err) }

// quoted is the beginning of some bytes for a message.
func quoted(b []byte) string {
	const most = 30
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
