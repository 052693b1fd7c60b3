package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Why a broker that could be reached is no use, for errors.Is on what Connect
// returns.
var (
	// ErrAuthentication: the broker does not take this user with this password or
	// mechanism.
	ErrAuthentication = errors.New("the broker refuses the user, the password or the mechanism")
	// ErrNoAuthentication: the listener does not authenticate anybody with a user and a
	// password.
	ErrNoAuthentication = errors.New("the broker's listener asks for no user and no password")
	// ErrUntrusted: the broker's certificate is not signed by a known authority, is
	// out of date, or is for another host.
	ErrUntrusted = errors.New("the broker's certificate is not trusted")
	// ErrPlaintextBroker: TLS was asked of a listener that does not speak it.
	ErrPlaintextBroker = errors.New("the broker does not speak TLS at this address")
	// ErrHungUp: the broker closed the connection at the first request, which is
	// what a listener with TLS or authentication does to a client without.
	ErrHungUp = errors.New("the broker closes the connection: it may want TLS, a client certificate or a user")
)

// ConnectOptions say where a cluster is and how to come in.
type ConnectOptions struct {
	// ClientID names this program to the brokers; "" means "millrace".
	ClientID string
	// Seeds are addresses, host:port each; one that answers is enough.
	Seeds []string
	// Security is of all connections; its zero value is plaintext.
	Security Security
}

// Connection is a way to a cluster over the network: its connections, made as they
// are needed. It may be used concurrently.
type Connection struct {
	kgo     *kgo.Client
	cluster Cluster
}

// Connect finds a broker that answers and lets this client in; it tries until ctx
// ends. A refusal by a broker ends it at once and wraps one of the errors above.
// Close the connection when done.
func Connect(ctx context.Context, o ConnectOptions) (*Connection, error) {
	c, err := newConnection(o)
	if err != nil {
		return nil, err
	}
	if err := c.contact(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("brokers %s: %w", strings.Join(o.Seeds, ","), err)
	}
	return c, nil
}

// hangUps in a row are no restart of the broker.
const hangUps = 3

// contact tries the seeds until one answers. A broker that is there and refuses
// will refuse again.
func (c *Connection) contact(ctx context.Context) error {
	var pause backoff
	for hungUp := 0; ; {
		err := c.kgo.Ping(ctx)
		if err == nil {
			return nil
		}
		explained, refused := explain(err)
		if errors.Is(explained, ErrHungUp) {
			hungUp++
			refused = hungUp == hangUps
		}
		if refused || pause.wait(ctx) != nil {
			return explained
		}
	}
}

// Dial is Connect without contact: nothing is connected before the first request,
// and security is none.
func Dial(clientID string, addrs ...string) (cluster Cluster, closer func(), err error) {
	c, err := newConnection(ConnectOptions{ClientID: clientID, Seeds: addrs})
	if err != nil {
		return nil, nil, err
	}
	return c.Cluster(), c.Close, nil
}

func newConnection(o ConnectOptions) (*Connection, error) {
	if o.ClientID == "" {
		o.ClientID = "millrace"
	}
	opts, err := o.Security.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts,
		kgo.SeedBrokers(o.Seeds...), kgo.ClientID(o.ClientID), kgo.DisableIdempotentWrite())...)
	if err != nil {
		return nil, fmt.Errorf("brokers %s: %w", strings.Join(o.Seeds, ","), err)
	}
	return &Connection{kgo: cl, cluster: FromKgo(cl)}, nil
}

// Cluster is for New and for raw requests. It is of no use after Close.
func (c *Connection) Cluster() Cluster { return c.cluster }

// Admin makes a client for administration on the same connections. It needs no
// closing of its own.
func (c *Connection) Admin() *kadm.Client { return kadm.NewClient(c.kgo) }

// Close ends the connections; requests under way fail. It may be called more than
// once.
func (c *Connection) Close() { c.kgo.Close() }

// explain adds to an error of a first contact what it means; refused is that another
// attempt would end the same.
func explain(err error) (explained error, refused bool) {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       *net.OpError
		meaning     error
	)
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.UnsupportedSaslMechanism):
		meaning = ErrAuthentication
	case errors.Is(err, kerr.IllegalSaslState):
		meaning = ErrNoAuthentication
	case errors.As(err, &certificate):
		meaning = ErrUntrusted
	case errors.As(err, &record):
		meaning = ErrPlaintextBroker
	case errors.As(err, &alert) && alert.Op == "remote error", errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		meaning = ErrHungUp
	default:
		return err, false
	}
	return fmt.Errorf("%w: %w", meaning, err), true
}
