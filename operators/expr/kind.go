package expr

import "github.com/millrace/millrace/operators/columnar"

// kind is the static family of an expression. It is columnar.Kind with three
// more that exist only inside expressions: the literal nil, durations, and values
// that only expr's virtual machine understands.
type kind uint8

const (
	kNull kind = iota // the literal nil, before it meets a type
	kBool
	kInt
	kFloat
	kString
	kBytes
	kTime     // microseconds since the epoch
	kDuration // microseconds; leaves the expression as int64
	kJSON     // raw text of a JSON value
	kAny      // arrays, maps and other values of the virtual machine
)

var kindNames = [...]string{"nil", "bool", "int64", "float64", "string", "bytes", "timestamp", "duration", "json", "untyped"}

func (k kind) String() string { return kindNames[k] }

// typ is the static type of a node.
type typ struct {
	kind kind
	null bool // a null may appear
}

func (t typ) String() string {
	if t.null && t.kind != kNull {
		return t.kind.String() + "|null"
	}
	return t.kind.String()
}

// orNull is t, nullable if null.
func (t typ) orNull(null bool) typ {
	t.null = t.null || null
	return t
}

var fromColumnar = map[columnar.Kind]kind{
	columnar.Bool: kBool, columnar.Int64: kInt, columnar.Float64: kFloat, columnar.String: kString,
	columnar.Bytes: kBytes, columnar.Timestamp: kTime, columnar.JSON: kJSON,
}

// columnar is the type as the rest of the system sees it.
func (t typ) columnar() columnar.Type {
	out := columnar.Type{Nullable: t.null}
	switch t.kind {
	case kBool:
		out.Kind = columnar.Bool
	case kInt, kDuration:
		out.Kind = columnar.Int64
	case kFloat:
		out.Kind = columnar.Float64
	case kString:
		out.Kind = columnar.String
	case kBytes:
		out.Kind = columnar.Bytes
	case kTime:
		out.Kind = columnar.Timestamp
	case kJSON:
		out.Kind = columnar.JSON
	}
	return out
}

// lane is where a kind's values stand in a vec.
type lane uint8

const (
	laneInt   lane = iota // int64: integers, timestamps, durations
	laneFloat             // float64
	laneTri               // 0 false, 1 true, 2 null
	laneText              // strings, bytes, JSON
)

// lane of a kind that columns can hold; not for kNull and kAny.
func (k kind) lane() lane {
	switch k {
	case kFloat:
		return laneFloat
	case kBool:
		return laneTri
	case kString, kBytes, kJSON:
		return laneText
	}
	return laneInt
}

func (k kind) numeric() bool { return k == kInt || k == kFloat }
