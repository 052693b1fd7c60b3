package meta

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestLevelsGolden fixes what each released level means.
func TestLevelsGolden(t *testing.T) {
	for number := int16(1); number <= LatestLevel(); number++ {
		l, ok := LevelOf(number)
		if !ok || l.Number != number {
			t.Fatalf("no level %d", number)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s %d\n", FeatureVersion, l.Number)
		for _, kind := range slices.Sorted(maps.Keys(l.Records)) {
			fmt.Fprintf(&b, "record %d version %d\n", kind, l.Records[kind])
		}
		for _, f := range l.Public {
			fmt.Fprintf(&b, "public %s %d to %d\n", f.Name, f.Min, f.Max)
		}
		golden(t, fmt.Sprintf("testdata/level-%d.golden", number), b.String())
	}
	if _, ok := LevelOf(LatestLevel() + 1); ok {
		t.Error("a level after the latest")
	}
}

// TestLatestLevelIsWhatIsWritten compares the table with the encoder.
func TestLatestLevelIsWhatIsWritten(t *testing.T) {
	l, _ := LevelOf(LatestLevel())
	for _, r := range examples() {
		if l.Records[r.Type()] != recordVersion {
			t.Errorf("%T is written in version %d, level %d says %d", r, recordVersion, l.Number, l.Records[r.Type()])
		}
	}
	for kind := RecordType(1); kind < 100; kind++ {
		if _, listed := l.Records[kind]; listed != (newRecord(kind) != nil) {
			t.Errorf("record type %d is listed %t and known %t", kind, listed, newRecord(kind) != nil)
		}
	}
}
