package meta

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Refusal is why the controller does not do what was asked: Kafka's code for the
// client, and a reason for the person behind it. errors.Is with a kerr error tells
// which it is. Nothing has happened.
type Refusal struct {
	Code   *kerr.Error
	Reason string
}

// Error is the reason.
func (r *Refusal) Error() string { return r.Reason }

// Unwrap is the code.
func (r *Refusal) Unwrap() error { return r.Code }

func refuse(code *kerr.Error, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Reason: fmt.Sprintf(format, args...)}
}
