package group

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// refused is why a request of the consumer protocol is not served, in words too: its
// responses have a place for them.
type refused struct {
	kind *kerr.Error
	why  string
}

func refuse(kind *kerr.Error, format string, args ...any) error {
	return &refused{kind, fmt.Sprintf(format, args...)}
}

// Error is the sentence for the client.
func (r *refused) Error() string { return r.why }

// Unwrap is the error of the protocol.
func (r *refused) Unwrap() error { return r.kind }

// code is the error code of an error that wraps a Kafka error, 0 for nil.
func code(err error) int16 {
	if err == nil {
		return 0
	}
	var k *kerr.Error
	if !errors.As(err, &k) {
		return kerr.UnknownServerError.Code
	}
	return k.Code
}
