package topic

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/connectortest"
	"github.com/millrace/millrace/log/record"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// written is a LogWriter that keeps what it is given.
type written struct {
	partitions int32
	records    []string
}

func (w *written) Partitions(string) (int32, error) { return w.partitions, nil }

func (w *written) Append(topic string, partition int32, ms int64, key, value []byte) error {
	k := "none"
	if key != nil {
		k = string(key)
	}
	w.records = append(w.records, fmt.Sprintf("%s/%d %d %s %s", topic, partition, ms, k, value))
	return nil
}

func sinkOf(t *testing.T, s *columnar.Schema, keys ...string) connectors.LogSink {
	t.Helper()
	in := connectors.SinkInput{Name: "out", Config: config("t", "earliest"), Format: connectors.Format{Name: "json"}, Schema: s}
	for _, k := range keys {
		in.Key = append(in.Key, spec.Value{Type: spec.String, Text: k})
	}
	plan, err := SinkSpec.Plan(in)
	if err != nil || plan.Topic != "t" || plan.Guarantee != connectors.ExactlyOnce {
		t.Fatalf("planned %+v, %v", plan, err)
	}
	sink, err := plan.Log(connectors.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func rows(s *columnar.Schema, values ...[]any) *columnar.Batch {
	b := &columnar.Batch{Schema: s, Rows: len(values)}
	for i, c := range s.Columns {
		col := columnar.NewBuffer(c.Type, len(values))
		for _, v := range values {
			switch v := v[i].(type) {
			case nil:
				col.AppendNull()
			case int:
				col.AppendInt64(int64(v))
			case string:
				col.AppendString(v)
			case float64:
				col.AppendFloat64(v)
			}
		}
		b.Cols = append(b.Cols, col.Array())
	}
	return b
}

func TestSinkKeys(t *testing.T) {
	s := schema(t, "a:string|null", "n:int64")
	b := rows(s, []any{"x", 1}, []any{nil, 2}, []any{"skipped", 3}, []any{"y", 4})
	b.EventTime = []int64{1_999_999, -5, 0, 3_000_000}
	b = b.Select([]int32{0, 1, 3})
	at := func(key string) int32 { return record.Partition([]byte(key), 8) }
	for _, test := range []struct {
		keys []string
		want []string
	}{
		{[]string{"a"}, []string{
			fmt.Sprintf(`t/%d 1999 x {"a":"x","n":1}`, at("x")), `t/0 0 none {"a":null,"n":2}`, fmt.Sprintf(`t/%d 3000 y {"a":"y","n":4}`, at("y")),
		}},
		{[]string{"n"}, []string{
			fmt.Sprintf(`t/%d 1999 1 {"a":"x","n":1}`, at("1")), fmt.Sprintf(`t/%d 0 2 {"a":null,"n":2}`, at("2")), fmt.Sprintf(`t/%d 3000 4 {"a":"y","n":4}`, at("4")),
		}},
		{[]string{"n", "a"}, []string{
			fmt.Sprintf(`t/%d 1999 [1,"x"] {"a":"x","n":1}`, at(`[1,"x"]`)), fmt.Sprintf(`t/%d 0 [2,null] {"a":null,"n":2}`, at(`[2,null]`)),
			fmt.Sprintf(`t/%d 3000 [4,"y"] {"a":"y","n":4}`, at(`[4,"y"]`)),
		}},
	} {
		w := &written{partitions: 8}
		if err := sinkOf(t, s, test.keys...).Write(b, w, nil); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w.records, test.want) {
			t.Errorf("key %v: wrote\n%s\nwant\n%s", test.keys, strings.Join(w.records, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

func TestSinkWithoutKeys(t *testing.T) {
	s := schema(t, "f:float64")
	b := rows(s, []any{1.5}, []any{0.0}, []any{2.5})
	w, sink := &written{partitions: 2}, sinkOf(t, s)
	var bad []int32
	before := time.Now().UnixMilli()
	for range 3 {
		if err := sink.Write(b, w, func(row int32, err error) { bad = append(bad, row) }); err != nil {
			t.Fatal(err)
		}
	}
	var parts []string
	for _, r := range w.records {
		where, rest, _ := strings.Cut(r, " ")
		parts = append(parts, where)
		var ms int64
		if fmt.Sscan(rest, &ms); ms < before {
			t.Errorf("record %q has no timestamp of now", r)
		}
	}
	if got := strings.Join(parts, " "); got != "t/0 t/0 t/0 t/1 t/1 t/1 t/0 t/0 t/0" || len(bad) != 0 {
		t.Errorf("batches went to %s", got)
	}
}

func TestSinkRowErrors(t *testing.T) {
	s := schema(t, "f:float64", "at:timestamp")
	b := rows(s, []any{1.5, 0}, []any{1.5, int(1) << 62}, []any{2.5, 1})
	w := &written{partitions: 1}
	var bad []string
	err := sinkOf(t, s).Write(b, w, func(row int32, err error) { bad = append(bad, fmt.Sprint(row, " ", err)) })
	if err != nil || len(w.records) != 2 || !slices.Equal(bad, []string{"1 column at: a time outside of the years 0 to 9999"}) {
		t.Fatalf("wrote %v, bad %v, %v", w.records, bad, err)
	}
}

func TestSinkConformance(t *testing.T) {
	for _, keys := range [][]string{nil, {"n"}} {
		connectortest.TestLog(t, connectortest.Log{
			New: func(t *testing.T) connectors.LogSink { return sinkOf(t, connectortest.NumberSchema(), keys...) },
			Number: func(t *testing.T, key, value []byte) int {
				var n int
				if _, err := fmt.Sscanf(string(value), `{"n":%d}`, &n); err != nil {
					t.Fatal(err)
				}
				if keys != nil && string(key) != fmt.Sprint(n) {
					t.Fatalf("row %d has key %q", n, key)
				}
				return n
			},
		})
	}
}
