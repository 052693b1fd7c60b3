package topic

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/log/client"
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
