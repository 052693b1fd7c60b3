package broker

import "github.com/millrace/millrace/log/internal/meta"

// reach is where the caller reaches a node. Of this node it is the address that it
// came to, unless its listener advertises one: most trouble with brokers that nobody
// can connect to is an advertised address that was right for somebody else.
func (c *call) reach(b *meta.Broker) (Endpoint, bool) {
	if b.NodeID == c.opts.NodeID {
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
