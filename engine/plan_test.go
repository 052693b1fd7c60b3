package engine

import (
	"strings"
	"testing"
)

// TestOneTopicTwice: two sources of one topic would share its committed offsets.
func TestOneTopicTwice(t *testing.T) {
	g := newTestGraph("twice", &memSource{})
	mem := g.graph.Nodes[0]
	mem.Source.Topic = "clicks"
	twin := *mem
	twin.Name = "twin"
	g.graph.Nodes = append(g.graph.Nodes, &twin)
	if _, err := newPlan(g.graph); err == nil || !strings.Contains(err.Error(), "both read topic clicks") {
		t.Errorf("got %v", err)
	}
}
