package coord

import "unicode/utf16"

// PartitionFor is the partition of an internal topic with n partitions that holds
// key, a group id or a transactional id: the absolute value of Java's
// String.hashCode modulo n, where the one hash without an absolute value counts as
// 0. Kafka's brokers and its tools compute the same, so it may never change.
func PartitionFor(key string, n int32) int32 {
	h := javaHash(key)
	switch {
	case h == -1<<31:
		h = 0
	case h < 0:
		h = -h
	}
	return h % n
}

// javaHash is String.hashCode, which runs over UTF-16 code units.
func javaHash(s string) int32 {
	var h int32
	for _, r := range s {
		if hi, lo := utf16.EncodeRune(r); hi != '\uFFFD' {
			h = 31*(31*h+int32(hi)) + int32(lo)
		} else {
			h = 31*h + int32(r)
		}
	}
	return h
}
