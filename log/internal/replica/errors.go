package replica

import (
	"fmt"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/twmb/franz-go/pkg/kerr"
)

// errNewEpoch is what became of an append whose leader epoch ended first: it may
// have happened.
var errNewEpoch = refuse(kerr.NotLeaderForPartition, "the leader epoch ended")

// refuse is a reason why a partition does not do what was asked, with Kafka's code.
func refuse(code *kerr.Error, format string, args ...any) error {
	return &meta.Refusal{Code: code, Reason: fmt.Sprintf(format, args...)}
}
