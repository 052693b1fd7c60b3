package client

import (
	"context"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Operations is a set of what a client may do with a resource, in the bits of
// Kafka's answers (KIP-430).
type Operations int32

// Some operations.
const (
	ReadOperation   = Operations(1 << kmsg.ACLOperationRead)
	WriteOperation  = Operations(1 << kmsg.ACLOperationWrite)
	CreateOperation = Operations(1 << kmsg.ACLOperationCreate)
)

// everyOperation stands for brokers that do not tell: who may not is told so when he
// tries.
const everyOperation = Operations(-1)

// TopicRights is what a client may do with a topic, as far as it is told.
type TopicRights struct {
	// Missing: there is no such topic, and the client may know it.
	Missing bool
	// Allowed is empty if the client may not know whether the topic exists. A broker
	// that does not tell is believed to allow everything with a topic that exists,
	// and nothing with one that does not.
	Allowed Operations
}

// TopicRights asks what this client may do with topics. It makes one attempt.
func (c *Client) TopicRights(ctx context.Context, names ...string) (map[string]TopicRights, error) {
	req := topicsRequest(names)
	req.IncludeTopicAuthorizedOperations = true
	resp, err := req.RequestWith(ctx, c.cluster)
	if err == nil {
		err = brokerError(resp.ErrorCode, nil, "ask for metadata")
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the rights on topics: %w", err)
	}
	rights := map[string]TopicRights{}
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		r := TopicRights{Missing: t.ErrorCode == kerr.UnknownTopicOrPartition.Code, Allowed: Operations(t.AuthorizedOperations)}
		switch {
		case t.ErrorCode == kerr.TopicAuthorizationFailed.Code:
			r.Allowed = 0
		case r.Missing && r.Allowed == math.MinInt32: // how Kafka says that it does not tell
			r.Allowed = 0
		case !r.Missing && (r.Allowed == math.MinInt32 || r.Allowed == 0): // 0 cannot be: whoever sees a topic may describe it
			r.Allowed = everyOperation
		}
		rights[*t.Topic] = r
	}
	return rights, nil
}
