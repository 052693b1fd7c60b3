package codec

// The bounds of a layout. A row beyond them is read the general way each time.
const (
	maxLayoutFields = 1024
	maxLayoutBytes  = 32 << 10
)

// layout is what stood between the values of the last row.
//
//	{"ad":  "a"  ,"price":  15  , "at":  1700000000000  }
//	^text   ^value          ^      ^text                ^tail
type layout struct {
	parts   []layoutPart
	tail    []byte
	missing []int // fields that the row did not have
	known   bool

	text []byte // the bytes of all parts and the tail
	over bool   // beyond the bounds
}

type layoutPart struct {
	text  []byte // from the end of the value before to the beginning of this one
	end   int    // of text in layout.text
	field int    // skipped, or an index into fields
}

func (l *layout) forget() {
	l.parts, l.missing, l.text = l.parts[:0], l.missing[:0], l.text[:0]
	l.known, l.over = false, false
}

func (l *layout) add(between []byte, field int) {
	if l.over || len(l.parts) == maxLayoutFields || len(l.text)+len(between) > maxLayoutBytes {
		l.over = true
		return
	}
	l.text = append(l.text, between...)
	l.parts = append(l.parts, layoutPart{end: len(l.text), field: field})
}

// finish cuts the text into its parts, now that it does not move any more.
func (l *layout) finish(tail []byte) {
	if l.over || len(l.text)+len(tail) > maxLayoutBytes {
		return
	}
	l.text = append(l.text, tail...)
	from := 0
	for i := range l.parts {
		part := &l.parts[i]
		part.text = l.text[from:part.end]
		from = part.end
	}
	l.tail = l.text[from:]
	l.known = true
}

// quick reads a row by the layout of the one before; false if it cannot, and then
// the columns hold a part of the row.
func (d *jsonDecoder) quick(v []byte) bool {
	p := 0
	for i := range d.layout.parts {
		part := &d.layout.parts[i]
		end := p + len(part.text)
		if end >= len(v) || string(v[p:end]) != string(part.text) {
			return false
		}
		var err error
		if p, err = d.value(part.field, v, end); err != nil {
			return false
		}
	}
	if string(v[p:]) != string(d.layout.tail) {
		return false
	}
	for _, f := range d.layout.missing {
		d.fields[f].col.AppendNull()
	}
	return true
}
