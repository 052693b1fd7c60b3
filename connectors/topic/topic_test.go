package topic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/connectortest"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/log/record"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

func config(name, start string) spec.Config {
	return spec.Config{Values: map[string]spec.Value{
		"name":       {Type: spec.String, Text: name, Pos: spec.Pos{File: "p.yaml", Line: 3, Col: 9}},
		"start":      {Type: spec.String, Text: start, Pos: spec.Pos{File: "p.yaml", Line: 4, Col: 9}},
		"batch_rows": {Type: spec.Int, Int: 1000},
	}}
}

func schema(t testing.TB, cols ...string) *columnar.Schema {
	t.Helper()
	var all []columnar.Column
	for _, c := range cols {
		name, typ, _ := strings.Cut(c, ":")
		parsed, err := columnar.ParseType(typ)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, columnar.Column{Name: name, Type: parsed})
	}
	s, err := columnar.NewSchema(all...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func cluster(t *testing.T, opts ...kfake.Opt) client.Cluster {
	t.Helper()
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return client.FromKgo(cl)
}

// open plans and opens a source of one column n.
func open(t *testing.T, c client.Cluster, start string) connectors.Source {
	t.Helper()
	plan, err := SourceSpec.Plan(connectors.SourceInput{Name: "in", Config: config("t", start), Format: connectors.Format{Name: "json"}, Schema: schema(t, "n:int64")})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Topic != "t" || plan.Bounded {
		t.Fatalf("planned %+v", plan)
	}
	s, err := plan.New(connectors.Env{Cluster: c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// write appends values to partition 0 of t, with timestamps 1000, 1001, …
func write(t *testing.T, c client.Cluster, values ...string) {
	t.Helper()
	p := client.New(c, client.Options{}).NewProducer(client.ProducerOptions{BatchBytes: 400, Compression: "lz4"})
	defer p.Close()
	for i, v := range values {
		value := []byte(v)
		if v == "tombstone" {
			value = nil
		}
		if err := p.Append("t", 0, int64(1000+i), []byte("k"), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// drain reads until the end of the partition; each element is "offset:n" or
// "offset!error".
func drain(t *testing.T, r connectors.Reader) (rows []string, next []byte) {
	t.Helper()
	ctx := testContext(t)
	for {
		got, err := r.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, describe(t, got)...)
		next = slices.Clone(got.Next)
		if got.AtEnd {
			return rows, next
		}
	}
}

func describe(t *testing.T, got *connectors.Read) []string {
	t.Helper()
	b := got.Batch
	if len(b.Pos.Offset) != b.Rows || len(got.Timestamps) != b.Rows || b.Pos.Source != "in" || b.Pos.Split != "t/0" {
		t.Fatalf("%d rows with %d offsets and %d timestamps from %s %s", b.Rows, len(b.Pos.Offset), len(got.Timestamps), b.Pos.Source, b.Pos.Split)
	}
	var rows []string
	for i := range b.Rows {
		rows = append(rows, fmt.Sprintf("%d:%d", b.Pos.Offset[i], b.Cols[0].(*array.Int64).Value(i)))
		if got.Timestamps[i] < 1_000_000 {
			t.Fatalf("timestamp %d is not in microseconds", got.Timestamps[i])
		}
	}
	for _, e := range got.Errors {
		rows = append(rows, fmt.Sprintf("%d!%s key %s: %v", e.Offset, e.Raw, e.Key, e.Err))
	}
	return rows
}

func TestSourceReadsAndResumes(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(2, "t"))
	var values, want []string
	for i := range 10_000 {
		values = append(values, fmt.Sprintf(`{"n":%d}`, i))
		want = append(want, fmt.Sprintf("%d:%d", i, i))
	}
	write(t, c, values...)
	s, ctx := open(t, c, "earliest"), testContext(t)
	splits, err := s.Splits(ctx)
	if err != nil || len(splits) != 2 || splits[0].ID != "t/0" || splits[1].Partition != 1 {
		t.Fatalf("splits %v, %v", splits, err)
	}
	r, err := s.Open(ctx, splits[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, next := drain(t, r)
	if !slices.Equal(rows, want) || binary.BigEndian.Uint64(next) != 10_000 {
		t.Fatalf("read %d rows up to %x", len(rows), next)
	}
	r.Close()
	for _, from := range []int{1, 4095, 4096, 7777, 9999, 10_000} {
		s := open(t, c, "earliest")
		r, err := s.Open(ctx, splits[0], binary.BigEndian.AppendUint64(nil, uint64(from)))
		if err != nil {
			t.Fatal(err)
		}
		if rows, _ := drain(t, r); !slices.Equal(rows, want[from:]) {
			t.Fatalf("from %d: %d rows", from, len(rows))
		}
		r.Close()
	}
	if _, err := s.Open(ctx, splits[0], []byte("short")); err == nil {
		t.Error("a position of five bytes is accepted")
	}
}

func TestSourceReportsBadRows(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "t"))
	write(t, c, `{"n":0}`, `{"n":`, `tombstone`, `{"n":3}`)
	s := open(t, c, "earliest")
	r, err := s.Open(testContext(t), connectors.Split{ID: "t/0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := drain(t, r)
	want := []string{"0:0", "3:3", `1!{"n": key k: byte 5: the document ends too early`, "2! key k: " + errTombstone.Error()}
	if !slices.Equal(rows, want) {
		t.Fatalf("read %q", rows)
	}
}

func TestSourceStarts(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "t"))
	write(t, c, `{"n":0}`, `{"n":1}`, `{"n":2}`)
	ctx := testContext(t)
	for start, want := range map[string][]string{
		"earliest":                 {"0:0", "1:1", "2:2"},
		"latest":                   nil,
		"1970-01-01T00:00:01.001Z": {"1:1", "2:2"},
		"2100-01-01T00:00:00Z":     nil,
	} {
		r, err := open(t, c, start).Open(ctx, connectors.Split{ID: "t/0"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if rows, _ := drain(t, r); !slices.Equal(rows, want) {
			t.Errorf("start %s: read %v, want %v", start, rows, want)
		}
	}
}

func TestSourceOfNothing(t *testing.T) {
	c := cluster(t)
	if _, err := open(t, c, "earliest").Splits(testContext(t)); err == nil || !strings.Contains(err.Error(), "topic t does not exist: create it with") {
		t.Errorf("splits of a missing topic: %v", err)
	}
}

func TestLostRangeIsNamed(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "t"))
	s, ctx := open(t, c, "earliest"), testContext(t)
	r, err := s.Open(ctx, connectors.Split{ID: "t/0"}, binary.BigEndian.AppendUint64(nil, 500))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = r.Read(ctx)
	}
	if !errors.Is(err, connectors.ErrOutOfRange) || !strings.Contains(err.Error(), "offset 500 is not in the log") {
		t.Fatalf("got %v", err)
	}
}

func TestPlanFaults(t *testing.T) {
	for _, test := range []struct {
		cfg  spec.Config
		want string
	}{
		{config("bad name", "earliest"), "p.yaml:3:9: a topic's name has letters, digits, and . _ - only"},
		{config("..", "earliest"), "cannot be the name of a topic"},
		{config(strings.Repeat("x", 250), "earliest"), "cannot be the name of a topic"},
		{config("t", "noon"), `p.yaml:4:9: start is "noon"; write earliest, latest, or a time`},
	} {
		in := connectors.SourceInput{Name: "in", Config: test.cfg, Format: connectors.Format{Name: "json"}, Schema: schema(t, "n:int64")}
		if _, err := SourceSpec.Plan(in); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	in := connectors.SourceInput{Name: "in", Config: config("t", "earliest"), Format: connectors.Format{Name: "json"}}
	if _, err := SourceSpec.Plan(in); err == nil || !strings.Contains(err.Error(), "needs a schema") {
		t.Errorf("without a schema: %v", err)
	}
}

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

func TestSourceConformance(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(3, "t"))
	p := client.New(c, client.Options{}).NewProducer(client.ProducerOptions{BatchBytes: 2000, Compression: "snappy"})
	defer p.Close()
	for i := range 9000 {
		v := fmt.Sprintf(`{"n":%d}`, i)
		if i%500 == 3 {
			v = "broken"
		}
		if err := p.Append("t", int32(i%2), int64(i), nil, []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	connectortest.TestSource(t, connectortest.Source{
		Rows: 9000,
		New:  func(t *testing.T) connectors.Source { return open(t, c, "earliest") },
	})
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
