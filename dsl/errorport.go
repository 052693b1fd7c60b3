package dsl

import "github.com/millrace/millrace/operators/columnar"

// ErrorSchema is the schema of every error port:
//
//	node    string              the node at which the row failed
//	cause   string              why
//	source  string|null         the source node that read the row
//	split   string|null         its split, for a topic "topic/partition"
//	offset  int64|null          its position in the split
//	time    timestamp(us)|null  the row's event time, else its record's timestamp
//	key     bytes|null          the record's key, if the row did not decode
//	raw     bytes|null          the record's bytes, if the row did not decode
//	row     json|null           the row as it reached the node, if it had decoded
//
// source, split and offset are null behind a keyed operator, where a row has no
// single origin. row holds the columns that the pipeline reads.
var ErrorSchema = errorSchema()

// errorColumns are the columns of ErrorSchema with their documentation.
var errorColumns = []struct {
	name string
	typ  columnar.Type
	doc  string
}{
	{"node", columnar.Type{Kind: columnar.String}, "The node at which the row failed."},
	{"cause", columnar.Type{Kind: columnar.String}, "Why."},
	{"source", columnar.Type{Kind: columnar.String, Nullable: true}, "The source that read the row; null behind a keyed operator, where a row has no single origin."},
	{"split", columnar.Type{Kind: columnar.String, Nullable: true}, "The part of the source, for a topic `topic/partition`."},
	{"offset", columnar.Type{Kind: columnar.Int64, Nullable: true}, "The row's position in that part."},
	{"time", columnar.Type{Kind: columnar.Timestamp, Unit: columnar.Microsecond, Nullable: true}, "The row's event time, or the time of its record if it has none."},
	{"key", columnar.Type{Kind: columnar.Bytes, Nullable: true}, "The record's key, if the row did not decode."},
	{"raw", columnar.Type{Kind: columnar.Bytes, Nullable: true}, "The record's bytes, if the row did not decode."},
	{"row", columnar.Type{Kind: columnar.JSON, Nullable: true}, "The row as it reached the node, if it had decoded; it has the columns that the pipeline reads."},
}

func errorSchema() *columnar.Schema {
	columns := make([]columnar.Column, len(errorColumns))
	for i, c := range errorColumns {
		columns[i] = columnar.Column{Name: c.name, Type: c.typ}
	}
	s, err := columnar.NewSchema(columns...)
	if err != nil { // a name twice in the list above
		panic(err)
	}
	return s
}
