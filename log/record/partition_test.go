package record

import "testing"

// TestMurmur2 has the values that the Java client's own test fixes.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
		if got := Partition([]byte(key), 17); got != (want&0x7fffffff)%17 {
			t.Errorf("%q: partition %d", key, got)
		}
	}
	if got := Partition([]byte{}, 1000); got < 0 || got >= 1000 {
		t.Error(got)
	}
}
