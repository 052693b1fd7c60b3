//go:build !linux && !darwin && !windows

package vfs

import "math"

// freeBytes does not know: the disk counts as never full until a write says so.
func freeBytes(string) (uint64, error) { return math.MaxInt64, nil }
