package topic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/connectortest"
	"github.com/millrace/millrace/log/client"
)

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
