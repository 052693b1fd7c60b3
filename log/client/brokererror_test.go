package client

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestBrokerErrorSaysEachThingOnce: a broker's own words take the place of the
// code's general ones, and are not repeated when they are the same.
func TestBrokerErrorSaysEachThingOnce(t *testing.T) {
	full, same := "disk is full: make room on the disk of /data", kerr.ErrorForCode(56).Error()
	for message, want := range map[*string]string{
		&full: "write: disk is full: make room on the disk of /data (KAFKA_STORAGE_ERROR)",
		&same: "write: " + same,
		nil:   "write: " + same,
	} {
		if got := brokerError(56, message, "write").Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
