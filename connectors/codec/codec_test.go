package codec

import (
	"slices"
	"testing"
)

func TestFormatsAreListed(t *testing.T) {
	var names []string
	for _, f := range List() {
		names = append(names, f.Name)
		if f.Summary == "" || f.Doc == "" {
			t.Errorf("format %s has no documentation", f.Name)
		}
	}
	if !slices.Equal(names, []string{"csv", "json", "jsonl", "lines"}) {
		t.Errorf("formats %v", names)
	}
}
