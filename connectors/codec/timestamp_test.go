package codec

import (
	"testing"
	"time"
)

// TestTimesAgainstPackageTime compares writing and reading with package time.
func TestTimesAgainstPackageTime(t *testing.T) {
	rng := random(t)
	w := newTimeWriter()
	for range 50_000 {
		micros := minTime + rng.Int64N(endTime-minTime)
		if rng.IntN(2) == 0 {
			micros -= micros % 1_000_000
		}
		text, err := w.append(nil, micros)
		if want := time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.999999Z"); err != nil || string(text) != want {
			t.Fatalf("%d is written %s (%v), want %s", micros, text, err, want)
		}
		zone := time.FixedZone("", (rng.IntN(48)-24)*1800)
		local := time.UnixMicro(micros).In(zone)
		if y := local.Year(); y < 0 || y > 9999 {
			continue
		}
		back, err := parseTime([]byte(local.Format(time.RFC3339Nano)))
		if err != nil || back != micros {
			t.Fatalf("%s is read as %d (%v), want %d", local.Format(time.RFC3339Nano), back, err, micros)
		}
	}
}

func TestBadTimes(t *testing.T) {
	for _, s := range []string{"", "2026-01-31", "2026-01-31T10:00:00", "2026-01-31T10:00:00+1:00", "2026-1-31T10:00:00Z", "2026-00-31T10:00:00Z",
		"2026-04-31T10:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T10:60:00Z", "2026-01-31T10:00:60Z", "2026-01-31T10:00:00.Z", "2026-01-31T10:00:00Zx", "2026-01-31x10:00:00Z", "202a-01-31T10:00:00Z", "2026-01-31T10:00:00+24:00"} {
		if v, err := parseTime([]byte(s)); err == nil {
			t.Errorf("%q is read as %d", s, v)
		}
	}
}
