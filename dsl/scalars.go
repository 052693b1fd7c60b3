package dsl

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var days = regexp.MustCompile(`^(\d+(?:\.\d+)?)d(.*)$`)

// parseDuration reads Go's duration syntax with d for days: 200ms, 1m30s, 2d12h.
// Negative durations do not exist in a pipeline.
func parseDuration(text string) (time.Duration, error) {
	const form = "a number with a unit is expected: 200ms, 5s, 1m30s, 2d"
	rest, total := text, time.Duration(0)
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil || n > math.MaxInt64/float64(24*time.Hour) {
			return 0, fmt.Errorf("%q is too long a duration", text)
		}
		total, rest = time.Duration(n*float64(24*time.Hour)), m[2]
		if rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration; %s", text, form)
	case d < 0 || total+d < 0:
		return 0, fmt.Errorf("%q is negative or too long a duration", text)
	}
	return total + d, nil
}

var (
	sizeForm  = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$`)
	sizeUnits = map[string]int64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
)

// parseSize reads a number of bytes with an optional unit: 512, 10kB, 64MiB.
func parseSize(text string) (int64, error) {
	m := sizeForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size; a number with a unit is expected: 512, 10kB, 64MiB, 1GiB", text)
	}
	unit, ok := sizeUnits[strings.ToLower(m[2])]
	if !ok {
		return 0, fmt.Errorf("%q is not a unit of size; use B, kB, MB, GB, TB, KiB, MiB, GiB or TiB", m[2])
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || n*float64(unit) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is too large", text)
	}
	if whole, err := strconv.ParseInt(m[1], 10, 64); err == nil { // exact, where a float is not
		return whole * unit, nil
	}
	return int64(n * float64(unit)), nil
}

// parseInt reads a decimal integer.
func parseInt(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}

// parseFloat reads a finite decimal number.
func parseFloat(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}

// parseBool reads true or false and nothing else: YAML's yes, on and their kin
// mean different things to different readers.
func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}
