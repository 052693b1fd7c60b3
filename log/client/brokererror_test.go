package client

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestBrokerErrorSaysEachThingOnce: a broker's own words take the place of the
// code's general ones, and are not repeated when they are the same.
func TestBrokerErrorSaysEachThingOnce(t *testing.T) {
	full, same, name := "disk is full: make room on the disk of /data", kerr.ErrorForCode(56).Error(), "KAFKA_STORAGE_ERROR"
	for message, want := range map[*string]string{
		&full: "write: disk is full: make room on the disk of /data (KAFKA_STORAGE_ERROR)",
		&same: "write: " + same,
		&name: "write: " + same,
		nil:   "write: " + same,
	} {
		if got := brokerError(56, message, "write").Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestNotAuthorized: what no ACL allows is told apart by one sentinel, whatever it
// was asked of, also when franz-go's own look-up of a coordinator was refused.
func TestNotAuthorized(t *testing.T) {
	for code, want := range map[*kerr.Error]bool{
		kerr.TopicAuthorizationFailed: true, kerr.GroupAuthorizationFailed: true, kerr.ClusterAuthorizationFailed: true,
		kerr.TransactionalIDAuthorizationFailed: true, kerr.SaslAuthenticationFailed: false, kerr.PolicyViolation: false,
	} {
		for _, err := range []error{brokerError(code.Code, nil, "ask"), lookUpError(code)} {
			if errors.Is(err, ErrNotAuthorized) != want || !errors.Is(err, code) {
				t.Errorf("%v: not authorized is %v", err, !want)
			}
		}
	}
}
