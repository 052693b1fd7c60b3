package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// groups hands a request to the group coordinator of this node.
func (c *call) groups(ctx context.Context, req kmsg.Request) (resp kmsg.Response, err error) {
	c.waits(func() { resp, err = c.opts.Groups.Handle(ctx, c.sender(), req) })
	return resp, err
}

// transactions hands a request to the transaction coordinator of this node.
func (c *call) transactions(ctx context.Context, req kmsg.Request) (resp kmsg.Response, err error) {
	c.waits(func() { resp, err = c.opts.Transactions.Handle(ctx, c.sender(), req) })
	return resp, err
}

func (c *call) sender() coord.Meta {
	return coord.Meta{
		ClientID:   c.caller.ClientID,
		ClientHost: "/" + c.caller.Host, // as Java prints an address, which tools expect
		Principal:  c.caller.Principal,
	}
}
