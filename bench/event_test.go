package main

import (
	"encoding/json"
	"testing"
)

func TestEvents(t *testing.T) {
	const n = 1 << 16
	seen := map[string]bool{}
	size := 0
	for i := range n {
		text := appendEvent(nil, i)
		size += len(text)
		seen[string(text)] = true
		if i > 100 {
			continue
		}
		var v map[string]any
		if err := json.Unmarshal(text, &v); err != nil || len(v) != 9 {
			t.Fatalf("event %d is %s: %v", i, text, err)
		}
	}
	if len(seen) != n {
		t.Errorf("%d of %d events differ", len(seen), n)
	}
	if mean := size / n; mean < 190 || mean > 210 {
		t.Errorf("an event has %d bytes, want about 200", mean)
	}
}
