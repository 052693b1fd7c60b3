package client

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Dial makes a Cluster of the brokers at the given addresses, host:port each; one
// that answers is enough. Nothing is connected before the first request. Call
// closer when done.
func Dial(clientID string, addrs ...string) (cluster Cluster, closer func(), err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ClientID(clientID), kgo.DisableIdempotentWrite())
	if err != nil {
		return nil, nil, fmt.Errorf("brokers %v: %w", addrs, err)
	}
	return FromKgo(cl), cl.Close, nil
}
