package dsl

import "github.com/millrace/millrace/operators/columnar"

// ErrorSchema is the schema of every error port. Its columns, in order:
//
//	node    string            the node at which the row failed
//	cause   string            why
//	source  string|null       the source node that read the row
//	split   string|null       its split, for a topic "topic/partition"
//	offset  int64|null        its position in the split
//	time    timestamp(us)|null  the row's event time, else its record's timestamp
//	key     bytes|null        the record's key, if the row did not decode
//	raw     bytes|null        the record's bytes, if the row did not decode
//	row     json|null         the row as it reached the node, if it had decoded
//
// source, split, offset and time are null behind a keyed operator, where a row
// has no single origin.
var ErrorSchema = mustSchema(
	columnar.Column{Name: "node", Type: columnar.Type{Kind: columnar.String}},
	columnar.Column{Name: "cause", Type: columnar.Type{Kind: columnar.String}},
	columnar.Column{Name: "source", Type: columnar.Type{Kind: columnar.String, Nullable: true}},
	columnar.Column{Name: "split", Type: columnar.Type{Kind: columnar.String, Nullable: true}},
	columnar.Column{Name: "offset", Type: columnar.Type{Kind: columnar.Int64, Nullable: true}},
	columnar.Column{Name: "time", Type: columnar.Type{Kind: columnar.Timestamp, Unit: columnar.Microsecond, Nullable: true}},
	columnar.Column{Name: "key", Type: columnar.Type{Kind: columnar.Bytes, Nullable: true}},
	columnar.Column{Name: "raw", Type: columnar.Type{Kind: columnar.Bytes, Nullable: true}},
	columnar.Column{Name: "row", Type: columnar.Type{Kind: columnar.JSON, Nullable: true}},
)

func mustSchema(columns ...columnar.Column) *columnar.Schema {
	s, err := columnar.NewSchema(columns...)
	if err != nil {
		panic(err)
	}
	return s
}
