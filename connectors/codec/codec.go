// Package codec turns the bytes of records and lines into columns and back: a
// registry of formats, and the formats json, csv and lines. Which connector reads
// them does not matter here.
//
// A format is one file that registers a Format; adding one touches nothing else.
package codec

import (
	"fmt"
	"sort"
	"sync"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// Format declares a codec. It is the single source of what the common key
// `format` accepts and of its documentation.
type Format struct {
	Name    string
	Summary string
	Doc     string
	Fields  []spec.Field // options under `format: {json: {…}}`

	// Schema is the schema of the rows, given what the pipeline declares (nil if it
	// declares none). Faults are *spec.Error.
	Schema func(declared *columnar.Schema, cfg spec.Config) (*columnar.Schema, error)
	// NewDecoder makes a decoder of rows of schema. want lists the columns that are
	// read (nil: all); the others come out as nulls and are not parsed.
	NewDecoder func(schema *columnar.Schema, want []string, cfg spec.Config) (Decoder, error)
	// NewEncoder makes an encoder of rows of schema.
	NewEncoder func(schema *columnar.Schema, cfg spec.Config) (Encoder, error)
}

// Decoder appends values to columns. It belongs to one goroutine.
type Decoder interface {
	// Decode appends one value (a record's value, a line without its end) as a row.
	// An error says which field and why, and leaves nothing behind.
	Decode(value []byte) error
	// Rows is the number of rows since the last Flush.
	Rows() int
	// Flush is the rows since the last Flush, without event time and positions. It
	// is lent until the next Decode.
	Flush() *columnar.Batch
}

// Framed is implemented by decoders of formats in which a row of a file is not
// simply a line. A connector that reads files asks for it; one that reads records
// has no use for it.
type Framed interface {
	// TakesHeader says whether the first line of a file names the columns.
	TakesHeader() bool
	// Header takes that line. It comes before the first Decode of every file, also
	// when reading goes on in the middle.
	Header(line []byte) error
	// GoesOn says whether a row goes on behind the next line of it. open is what it
	// said of the line before, false at a row's first; line is without its end. Every
	// line of a row is shown once, so a row of many costs no more than its bytes.
	GoesOn(open bool, line []byte) bool
}

// Encoder turns rows into bytes. It belongs to one goroutine.
type Encoder interface {
	// Encode appends the bytes of one row (a physical index into b) to dst, without
	// a line end. On an error dst is returned as it was.
	Encode(dst []byte, b *columnar.Batch, row int32) ([]byte, error)
	// Header is the line that a file begins with, such as csv's column names; nil if
	// there is none.
	Header() []byte
}

var registry struct {
	sync.RWMutex
	formats map[string]*Format
}

// Register adds a format; it panics on a fault of the program: no name, a name
// twice.
func Register(f *Format) {
	registry.Lock()
	defer registry.Unlock()
	if registry.formats == nil {
		registry.formats = map[string]*Format{}
	}
	if _, taken := registry.formats[f.Name]; taken || f.Name == "" {
		panic(fmt.Sprintf("codec: format %q is registered twice or has no name", f.Name))
	}
	registry.formats[f.Name] = f
}

// Lookup finds a format.
func Lookup(name string) (*Format, bool) {
	registry.RLock()
	defer registry.RUnlock()
	f, ok := registry.formats[name]
	return f, ok
}

// List is all formats by name.
func List() []*Format {
	registry.RLock()
	defer registry.RUnlock()
	all := make([]*Format, 0, len(registry.formats))
	for _, f := range registry.formats {
		all = append(all, f)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
