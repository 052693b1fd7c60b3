package ballast

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name, gogc, limit string
		carried           bool
	}{
		{"usual", "", "", true},
		{"GOGC is set", "50", "", false},
		{"GOMEMLIMIT is set", "", "1GiB", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOGC", c.gogc)
			t.Setenv("GOMEMLIMIT", c.limit)
			before := heap()
			drop := Load(Size)
			grown := heap() - before
			drop()
			if carried := grown >= Size/2; carried != c.carried { // other objects come and go
				t.Errorf("the heap has grown by %d bytes, want a ballast: %v", grown, c.carried)
			}
		})
	}
}

// heap is how many bytes live objects take. Dead ones are collected first: the ballast
// of another run of the test, gone in between, hid the one of this.
func heap() int64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
