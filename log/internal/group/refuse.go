package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Refuse is the answer to a request that the coordinator is not asked: err at every
// place where clients of its version look for one. A request for several groups has
// one here, or none.
func Refuse(req kmsg.Request, err *kerr.Error) kmsg.Response { return refusal(req, err.Code) }
