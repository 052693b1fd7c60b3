package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const keySaslHandshake = 17

// SaslHandshake (key 17): which SASL mechanism the client will use.
func init() {
	register(spec{
		key:    keySaslHandshake,
		levels: []levelRange{{level: 1, min: 0, max: 1}},
		changes: []change{
			{0, "tokens follow in bare frames"},
			{1, "tokens follow in SaslAuthenticate (KIP-152); never flexible"},
		},
		deviations: []string{"After UNSUPPORTED_SASL_MECHANISM the client may choose again on the same connection; Kafka closes it."},
	}, saslHandshake)
}

// saslHandshake lists the mechanisms in any case: kafkajs looks for its own in the
// answer also if there is no error.
func saslHandshake(_ context.Context, c *call, req *kmsg.SASLHandshakeRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	resp.SupportedMechanisms = []string{}
	if c.login == nil {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp, nil
	}
	resp.SupportedMechanisms = c.login.mechanismNames()
	if err := c.login.handshake(req.Version, req.Mechanism, c.caller.Host, time.Now()); err != nil {
		resp.ErrorCode = err.Code
	}
	return resp, nil
}
