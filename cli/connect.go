package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
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
	silent   bool // no word while it waits
	// adjustable says that the command has --timeout.
	adjustable bool
	stdin      io.Reader // nil is os.Stdin
}

func (r *remote) flags(c *cobra.Command) {
	c.Flags().StringVarP(&r.brokers, "brokers", "b", defaultListen, "brokers to ask, host:port,...")
	r.adjustable = true
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
		_, port, err := net.SplitHostPort(b)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 {
			return nil, usagef("--brokers has %q: write host:port, the port a number from 1 to 65535, an IPv6 address in brackets", b)
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

// hints are what to do about a broker that refuses; the first whose cause fits counts.
var hints = []struct {
	cause error
	hint  string
}{
	{client.ErrAuthentication, "check --user and the password, in --password-file or the variable " + passwordVariable},
	{client.ErrMechanism, "choose another with --sasl-mechanism: " + strings.Join(client.Mechanisms, ", ")},
	{client.ErrNoAuthentication, "leave out --user, or use the port of a listener with SASL"},
	{client.ErrOtherName, "connect to a name that it is for, or say it with --tls-server-name"},
	{client.ErrExpired, "give the broker a new one; if it is valid, check the clock of this machine"},
	{client.ErrUntrusted, "name the authority that signed it with --tls-ca FILE"},
	{client.ErrWantsCertificate, "show one with --tls-cert FILE and --tls-key FILE"},
	{client.ErrCertificateRefused, "show one with --tls-cert and --tls-key that is valid, and signed by an authority that the broker knows (its --tls-client-ca)"},
	{client.ErrPlaintextBroker, "leave out the --tls flags, or use the port of a listener with TLS"},
	{client.ErrHungUpOnTLS, "leave out the --tls flags, or use the port of a listener with TLS"},
	{client.ErrTLSBroker, "add --tls, or --tls-ca FILE with the authority that signed its certificate"},
	{client.ErrHungUpOnPlaintext, "add --tls, or --tls-ca FILE with the authority that signed its certificate"},
	{client.ErrHungUpOnNobody, "add --user and --password-file; of a listener that demands certificates, --tls-cert and --tls-key"},
	{client.ErrNotKafka, "use the port of a listener for Kafka clients: 9092 if nobody has chosen another"},
	{client.ErrSilent, "is it the port of a listener for Kafka clients, and not one for HTTP like --admin-listen? If it has TLS, add --tls or --tls-ca FILE"},
	{client.ErrHungUp, "the broker's log says why; its listener may want a certificate (--tls-cert, --tls-key) or a user (--user)"},
}

// refusal says what to do about brokers that cannot be reached or refuse.
func refusal(brokers string, err error) error {
	for _, h := range hints {
		if errors.Is(err, h.cause) {
			return fmt.Errorf("%w (%s)", err, h.hint)
		}
	}
	hint := "is a node running there? millrace server starts one"
	var lookup *net.DNSError
	if errors.As(err, &lookup) {
		hint = "check the name in --brokers"
	}
	return fmt.Errorf("no broker at %s answers: %w (%s)", brokers, unreached(err), hint)
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
