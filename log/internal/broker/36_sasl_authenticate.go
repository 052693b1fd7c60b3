package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const keySaslAuthenticate = 36

// SaslAuthenticate (key 36): a token of the mechanism that SaslHandshake has chosen.
func init() {
	registerLater(spec{
		key:    keySaslAuthenticate,
		levels: []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "tokens, and an error message"},
			{1, "how long the authentication holds (KIP-368)"},
			{2, "flexible"},
		},
	}, saslAuthenticate)
}

func saslAuthenticate(ctx context.Context, c *call, req *kmsg.SASLAuthenticateRequest) (answer, error) {
	resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	resp.SASLAuthBytes = []byte{}
	if c.login == nil || c.login.state != choosing || c.login.raw {
		resp.ErrorCode, resp.ErrorMessage = kerr.IllegalSaslState.Code, new("SaslAuthenticate follows a SaslHandshake, on a listener with SASL")
		return answer{now: resp, last: c.login != nil}, nil
	}
	challenge, done, err := c.login.step(ctx, req.SASLAuthBytes, time.Now())
	if unanswered := gaveUp(ctx, err); unanswered != nil {
		return answer{}, unanswered
	}
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, new(c.login.failed(ctx, c.caller, err))
		return answer{now: resp, last: true}, nil
	}
	resp.SASLAuthBytes = append(resp.SASLAuthBytes, challenge...)
	if done && req.Version >= 1 {
		resp.SessionLifetimeMillis = c.login.how.Session.Milliseconds()
	}
	return answer{now: resp}, nil
}
