package broker

import (
	"context"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/meta"
)

// refusal is the error code and message of a change that the metadata quorum did
// not make; 0 and nil if it made it. Errors that are nobody's decision (the time is
// up, the quorum has no leader) get the code after which clients try again.
func refusal(err error) (code int16, message *string) {
	if err == nil {
		return 0, nil
	}
	text := err.Error()
	var refused *meta.Refusal
	var known *kerr.Error
	switch {
	case errors.As(err, &refused):
		return refused.Code.Code, &text
	case errors.As(err, &known):
		return known.Code, &text
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		text = "the change was not confirmed in time; it may still happen"
		return kerr.RequestTimedOut.Code, &text
	}
	return kerr.UnknownServerError.Code, &text
}

// settle waits until the partitions of this node are as the metadata says: a client
// that was told of a topic may use it at once. Where the time is up before, the
// client is told NOT_LEADER_OR_FOLLOWER for a while.
func (c *call) settle(ctx context.Context) {
	_ = c.opts.Replicas.Sync(ctx, c.image().Index())
}

// duplicates are the names that occur more than once. Kafka refuses them, all of
// their occurrences as one.
func duplicates(names []string) map[string]bool {
	count := map[string]int{}
	for _, n := range names {
		count[n]++
	}
	twice := map[string]bool{}
	for n, c := range count {
		if c > 1 {
			twice[n] = true
		}
	}
	return twice
}

// validTopicName is the rule of Kafka: 1 to 249 of a-z, A-Z, 0-9, '.', '_', '-', and
// neither "." nor "..".
func validTopicName(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return name != "" && len(name) <= 249 && name != "." && name != ".." && strings.Trim(name, allowed) == ""
}
