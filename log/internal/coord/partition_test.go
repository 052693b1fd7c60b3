package coord

import "testing"

// TestPartitionFor: the hashes are Java's, String.hashCode of the same strings.
func TestPartitionFor(t *testing.T) {
	for _, test := range []struct {
		key  string
		hash int32
		of16 int32
	}{
		{"", 0, 0},
		{"a", 97, 1},
		{"group", 98629247, 15},
		{"my-transactional-id", -959806496, 0},
		{"polygenelubricants", -2147483648, 0}, // has no absolute value
		{"ä", 228, 4},
		{"日本", 835047, 7},
		{"😀", 1772899, 3}, // two UTF-16 code units
		{"AaAaAaAa", -540425984, 0},
		{"hello world", 1794106052, 4},
		{"Hello, World!", 1498789909, 5},
		{"test-group", 627841412, 4},
	} {
		if got := javaHash(test.key); got != test.hash {
			t.Errorf("javaHash(%q) = %d, want %d", test.key, got, test.hash)
		}
		if got := PartitionFor(test.key, 16); got != test.of16 {
			t.Errorf("PartitionFor(%q, 16) = %d, want %d", test.key, got, test.of16)
		}
	}
}
