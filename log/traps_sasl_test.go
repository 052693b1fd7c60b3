package log

import (
	"context"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkajs looks for its mechanism in the list of SaslHandshake also where there is no
// error, and fails with "the server does not support it" if the list is empty: 60 of
// its tests did.
func TestSaslHandshakeListsMechanisms(t *testing.T) {
	n, _ := newNode(t)
	l, err := n.ListenOn(ListenerOptions{Address: "127.0.0.1:0", SASL: &SASLOptions{Mechanisms: []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	for v := range int16(2) {
		for mechanism, want := range map[string]int16{"SCRAM-SHA-256": 0, "GSSAPI": kerr.UnsupportedSaslMechanism.Code} {
			req := kmsg.NewPtrSASLHandshakeRequest()
			req.Mechanism = mechanism
			resp := ask[*kmsg.SASLHandshakeResponse](dial(t, l.Addr()), v, req)
			if resp.ErrorCode != want || !slices.Equal(resp.SupportedMechanisms, []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}) {
				t.Errorf("v%d %s: error %d, mechanisms %v", v, mechanism, resp.ErrorCode, resp.SupportedMechanisms)
			}
		}
	}
}
