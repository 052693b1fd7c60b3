package broker

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The ranges of a released level never change: another broker of the cluster may
// run an older binary at the same level.
func TestRangesAtLevel1(t *testing.T) {
	var b strings.Builder
	for _, r := range Ranges(1) {
		fmt.Fprintf(&b, "%-3d %-22s %d-%d\n", r.Key, kmsg.NameForKey(r.Key), r.Min, r.Max)
	}
	golden(t, "testdata/ranges-level-1.txt", b.String())
}

func TestNothingIsServedBelowLevel1(t *testing.T) {
	if rs := Ranges(0); len(rs) != 0 {
		t.Fatalf("level 0 advertises %v", rs)
	}
}

func TestEveryRangeIsWhatKmsgSpeaks(t *testing.T) {
	for _, h := range handlers() {
		for _, r := range h.levels {
			if max := kmsg.RequestForKey(h.key).MaxVersion(); r.max > max || r.min > r.max || h.served > r.max {
				t.Errorf("%s: %+v with a codec up to version %d", kmsg.NameForKey(h.key), r, max)
			}
		}
		if len(h.changes) == 0 {
			t.Errorf("%s does not say what its versions changed", kmsg.NameForKey(h.key))
		}
		for i, c := range h.changes {
			if i > 0 && c.version <= h.changes[i-1].version {
				t.Errorf("%s: change %d is out of order", kmsg.NameForKey(h.key), c.version)
			}
		}
	}
}

// golden compares with a file, which -update rewrites.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not current (rewrite it with -update, then read the diff):\n%s", path, got)
	}
}
