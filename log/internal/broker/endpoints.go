package broker

import "github.com/millrace/millrace/log/internal/meta"

// reach is where the caller reaches a node. Of this node it is the address that it
// came to, unless one is advertised: most trouble with brokers that nobody can
// connect to is an advertised address that was right for somebody else.
func (c *call) reach(b *meta.Broker) (Endpoint, bool) {
	if b.NodeID == c.opts.NodeID {
		if c.opts.Advertised != (Endpoint{}) {
			return c.opts.Advertised, true
		}
		return c.caller.Reached, true
	}
	for _, l := range b.Listeners {
		if l.Name == c.caller.Listener {
			return Endpoint{l.Host, l.Port}, true
		}
	}
	return Endpoint{}, false
}

// controller is the node that clients send their admin requests to. Every node
// takes them and passes them on, so it is always this one.
func (c *call) controller() int32 { return c.opts.NodeID }

// Authorized operations, as bits numbered by Kafka's AclOperation.
const (
	opRead = 1 << (3 + iota)
	opWrite
	opCreate
	opDelete
	opAlter
	opDescribe
	opClusterAction
	opDescribeConfigs
	opAlterConfigs
	opIdempotentWrite

	topicOperations   = opRead | opWrite | opCreate | opDelete | opAlter | opDescribe | opDescribeConfigs | opAlterConfigs
	clusterOperations = opCreate | opAlter | opDescribe | opClusterAction | opDescribeConfigs | opAlterConfigs | opIdempotentWrite

	// noOperations says that they were not asked for.
	noOperations = -1 << 31
)
