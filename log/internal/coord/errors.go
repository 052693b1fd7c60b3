package coord

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/core"
)

// KafkaError says how a client is told of an error of Host.Call, or gives nil if the
// caller is not there any more to be told.
//
// After a reset it is not known whether the request happened; clients take
// NOT_COORDINATOR for a reason to look for the coordinator and ask again, which every
// request here bears.
func KafkaError(err error) *kerr.Error {
	switch {
	case errors.Is(err, ErrLoading), errors.Is(err, core.ErrBusy):
		return kerr.CoordinatorLoadInProgress
	case errors.Is(err, ErrNotLeader), errors.Is(err, core.ErrReset), errors.Is(err, core.ErrClosed):
		return kerr.NotCoordinator
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	}
	return kerr.UnknownServerError
}
