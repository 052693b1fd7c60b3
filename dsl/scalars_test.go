package dsl

import (
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "200ms": 200 * time.Millisecond, "1m30s": 90 * time.Second, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "1.5h": 90 * time.Minute,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q is %v (%v), not %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "-5s", "1y", "d", "1d-5h", "9999999999d", "106751d24h", "1m 5s", "NaNs"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is not refused but %v", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "10kB": 10_000, "10KB": 10_000, "64MiB": 64 << 20, "1.5GiB": 3 << 29, "2 TB": 2e12, "9007199254740993": 9007199254740993,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %v (%v), not %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "MiB", "1XB", "9223372036854775808", "9000000000TiB", "1e3", "NaN"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is not refused but %v", text, got)
		}
	}
}
