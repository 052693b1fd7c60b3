package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/group"
)

// groups hands a request to the group coordinator of this node.
func (c *call) groups(ctx context.Context, req kmsg.Request) (resp kmsg.Response, err error) {
	c.waits(func() { resp, err = c.opts.Groups.Handle(ctx, c.sender(), req) })
	return resp, err
}

// groupsFor is groups for a request about one group that takes the right to do op to it.
func (c *call) groupsFor(ctx context.Context, op acl.Operation, id string, req kmsg.Request) (kmsg.Response, error) {
	if !c.allowed(op, acl.Group, id) {
		return group.Refuse(req, kerr.GroupAuthorizationFailed), nil
	}
	return c.groups(ctx, req)
}

// transactions hands a request to the transaction coordinator of this node.
func (c *call) transactions(ctx context.Context, req kmsg.Request) (resp kmsg.Response, err error) {
	c.waits(func() { resp, err = c.opts.Transactions.Handle(ctx, c.sender(), req) })
	return resp, err
}

func (c *call) sender() coord.Meta {
	m := coord.Meta{
		ClientID:   c.caller.ClientID,
		ClientHost: "/" + c.caller.Host, // as Java prints an address, which tools expect
	}
	if c.opts.Authorizer != nil {
		m.Visible = func(topic string) bool { return c.sees(acl.Describe, acl.Topic, topic) }
	}
	return m
}
