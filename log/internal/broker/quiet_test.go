package broker

import (
	"testing"
	"time"
)

func TestQuietThinsOutAndCounts(t *testing.T) {
	var q quiet
	now := time.Unix(100, 0)
	for i := range 25 {
		if _, ok := q.allow(now); ok != (i < maxReports) {
			t.Fatalf("line %d allowed: %v", i, ok)
		}
	}
	if suppressed, ok := q.allow(now.Add(time.Second)); !ok || suppressed != 25-maxReports {
		t.Fatalf("a second later: %d suppressed, %v", suppressed, ok)
	}
}
