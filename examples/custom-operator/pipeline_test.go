package main

import (
	"testing"

	"github.com/millrace/millrace/dsl"
)

// TestPipelineKnowsEwma: a registered operator is a verb like any other.
func TestPipelineKnowsEwma(t *testing.T) {
	g, err := dsl.Load("pipeline.yaml", dsl.Catalog{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range g.Nodes {
		if n.Name == "smooth" {
			if got := n.Schema.String(); got != "{ad: string, price: int64, ewma: float64|null}" {
				t.Errorf("smooth has the columns %s", got)
			}
			return
		}
	}
	t.Error("no node smooth")
}
