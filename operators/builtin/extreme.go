package builtin

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

var minFunction = &function{
	name: "min",
	doc:  "the smallest value that is not null; null if there is none. NaN counts as above every number",
	plan: func(arg columnar.Type) (*formula, error) { return planExtreme("min", arg, ^uint64(0)) },
}

var maxFunction = &function{
	name: "max",
	doc:  "the largest value that is not null; null if there is none. NaN counts as above every number, text compares by bytes",
	plan: func(arg columnar.Type) (*formula, error) { return planExtreme("max", arg, 0) },
}

// planExtreme plans max, or min if flip has all bits set.
func planExtreme(name string, arg columnar.Type, flip uint64) (*formula, error) {
	if err := needsArgument(name, arg); err != nil {
		return nil, err
	}
	f := &formula{result: arg}
	switch arg.Kind {
	case columnar.String, columnar.Bytes:
		f.blobs = 1
		f.make = func(p place) accumulator { return extremeBytes{blob: p.blob, smaller: flip != 0} }
	case columnar.JSON:
		return nil, fmt.Errorf("%s is not of json, which has no order; take a value out of it first", name)
	default:
		f.words = 2
		f.make = func(p place) accumulator { return extreme{tally{p.word}, p.word + 1, arg.Kind, flip} }
	}
	return f, nil
}

// extreme is min or max over values that fit into a word. State: the tally, and the
// largest of the values' images under a map to unsigned integers that keeps their
// order, for min with all bits flipped. So zero is what every value replaces.
type extreme struct {
	tally tally
	word  uint32
	kind  columnar.Kind
	flip  uint64
}

func (c extreme) add(p *part, arg arrow.Array) error {
	c.tally.add(p, arg)
	switch a := arg.(type) {
	case *array.Int64:
		values := a.Int64Values()
		c.each(p, arg, func(row int32) uint64 { return columnar.OrderedInt64(values[row]) })
	case *array.Timestamp:
		values := a.TimestampValues()
		c.each(p, arg, func(row int32) uint64 { return columnar.OrderedInt64(int64(values[row])) })
	case *array.Float64:
		values := a.Float64Values()
		c.each(p, arg, func(row int32) uint64 { return columnar.OrderedFloat64(values[row]) })
	case *array.Boolean:
		c.each(p, arg, func(row int32) uint64 {
			if a.Value(int(row)) {
				return 1
			}
			return 0
		})
	default:
		return fmt.Errorf("builtin: no order of %s", arg.DataType())
	}
	return nil
}

func (c extreme) each(p *part, arg arrow.Array, image func(row int32) uint64) {
	w := p.table.Words()
	nulls := arg.NullN() > 0
	for j, s := range p.slots {
		row := p.rows[j]
		if nulls && arg.IsNull(int(row)) {
			continue
		}
		w[s+c.word] = max(w[s+c.word], image(row)^c.flip)
	}
}

func (c extreme) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, _ func(int, error)) {
	w := t.Words()
	for _, s := range slots {
		image := w[s+c.word] ^ c.flip
		switch {
		case w[s+c.tally.word] == 0:
			out.AppendNull()
		case c.kind == columnar.Float64:
			out.AppendFloat64(columnar.FromOrderedFloat64(image))
		case c.kind == columnar.Bool:
			out.AppendBool(image == 1)
		default:
			out.AppendInt64(columnar.FromOrderedInt64(image))
		}
	}
}

// extremeBytes is min or max over text and bytes. State: the value itself, a blob,
// absent until there is one.
type extremeBytes struct {
	blob    int
	smaller bool
}

func (c extremeBytes) add(p *part, arg arrow.Array) error {
	off, data, err := byteValues(arg)
	if err != nil {
		return err
	}
	nulls := arg.NullN() > 0
	for j, s := range p.slots {
		row := p.rows[j]
		if nulls && arg.IsNull(int(row)) {
			continue
		}
		v := data[off[row]:off[row+1]:off[row+1]]
		if have := p.table.Blob(s, c.blob); have != nil {
			if order := bytes.Compare(v, have); order == 0 || (order < 0) != c.smaller {
				continue
			}
		}
		if err := p.table.SetBlob(s, c.blob, nonNil(v)); err != nil {
			return err
		}
	}
	return nil
}

// byteValues are the offsets and bytes of a column of text or bytes.
func byteValues(arg arrow.Array) (off []int32, data []byte, err error) {
	switch a := arg.(type) {
	case *array.String:
		off = a.ValueOffsets()
	case *array.Binary:
		off = a.ValueOffsets()
	default:
		return nil, nil, fmt.Errorf("builtin: no bytes in %s", arg.DataType())
	}
	if buf := arg.Data().Buffers()[2]; buf != nil {
		data = buf.Bytes()
	}
	return off, data, nil
}

// nonNil is v, empty instead of nil: a nil blob is an absent one.
func nonNil(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return v
}

func (c extremeBytes) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, _ func(int, error)) {
	for _, s := range slots {
		if v := t.Blob(s, c.blob); v != nil {
			out.AppendBytes(v)
		} else {
			out.AppendNull()
		}
	}
}
