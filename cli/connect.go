package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/log/client"
)

// defaultListen is where a node listens and where clients look for one.
const defaultListen = "127.0.0.1:9092"

// remote is a cluster that a command talks to over the network.
type remote struct {
	brokers  string
	timeout  time.Duration
	security securityFlags
	silent   bool      // no word while it waits
	stdin    io.Reader // nil is os.Stdin
}

func (r *remote) flags(c *cobra.Command) {
	c.Flags().StringVarP(&r.brokers, "brokers", "b", defaultListen, "brokers to ask, host:port,...")
	c.Flags().DurationVar(&r.timeout, "timeout", 10*time.Second, "how long to look for the brokers")
	r.security.flags(c)
}

// seeds splits the list of brokers; a host alone means Kafka's port.
func seeds(brokers string) ([]string, error) {
	var all []string
	for _, b := range strings.Split(brokers, ",") {
		b = strings.TrimSpace(b)
		if b == "" {
			continue
		}
		if !strings.Contains(b, ":") {
			b += ":9092"
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, usagef("--brokers is empty: name at least one host:port")
	}
	return all, nil
}

// connection connects to the brokers and makes sure that one lets this command in.
func (r *remote) connection(ctx context.Context) (*client.Connection, error) {
	addrs, err := seeds(r.brokers)
	if err != nil {
		return nil, err
	}
	stdin := r.stdin
	if stdin == nil {
		stdin = os.Stdin
	}
	sec, err := r.security.security(stdin)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	conn, err := client.Connect(ctx, client.ConnectOptions{Seeds: addrs, Security: sec})
	if err != nil {
		return nil, refusal(r.brokers, err)
	}
	return conn, nil
}

// refusal says what to do about brokers that cannot be reached or refuse.
func refusal(brokers string, err error) error {
	hints := []struct {
		cause error
		hint  string
	}{
		{client.ErrAuthentication, "check --user, the password and --sasl-mechanism"},
		{client.ErrNoAuthentication, "leave out --user, or use the port of a listener with SASL"},
		{client.ErrUntrusted, "name the authority that signed it with --tls-ca, or the host that it is for with --tls-server-name"},
		{client.ErrPlaintextBroker, "leave out the --tls flags, or use the port of a listener with TLS"},
		{client.ErrHungUp, "add --tls-ca (or --tls), --tls-cert and --tls-key, or --user, or leave out --tls, as its listener demands"},
	}
	for _, h := range hints {
		if errors.Is(err, h.cause) {
			return fmt.Errorf("%w (%s)", err, h.hint)
		}
	}
	return fmt.Errorf("no broker at %s answers: %w (is a node running there? millrace server starts one)", brokers, unreached(err))
}

// unreached is what of an error says more than the address that was tried.
func unreached(err error) error {
	var lookup *net.DNSError
	var dial *net.OpError
	switch {
	case errors.As(err, &lookup):
		return fmt.Errorf("%s: %s", lookup.Name, lookup.Err)
	case errors.As(err, &dial):
		return dial.Err
	}
	return err
}
