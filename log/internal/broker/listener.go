package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/millrace/millrace/log/internal/sasl"
)

// Listener is how clients come in at an address. It is not changed while it is
// served.
type Listener struct {
	// Name tells the listeners of a node apart, in logs and between nodes.
	Name string
	// Advertised is where clients that came in here are told to connect; zero means
	// the address that each came to.
	Advertised Endpoint
	// TLS gives the configuration of the next handshake; nil means no TLS. The
	// configuration says whether clients show certificates.
	TLS func() *tls.Config
	// Principal says who has shown a certificate, as User:name. It is needed where
	// TLS asks for certificates, and not asked where there are Mechanisms.
	Principal func(*x509.Certificate) (string, error)
	// Mechanisms are what clients authenticate with before anything else; none means
	// that they do not.
	Mechanisms []sasl.Mechanism
	// Session is how long an authentication holds before the client must renew it on
	// the same connection (KIP-368); 0 means as long as the connection.
	Session time.Duration
}

// anonymous is who has not authenticated.
const anonymous = "User:ANONYMOUS"

// demands reports whether a client has to do something before it is let in.
func (l *Listener) demands() bool { return l.TLS != nil || len(l.Mechanisms) > 0 }

// secure does the TLS handshake, if the listener has one, and learns from it who the
// client is.
func (c *conn) secure() error {
	if c.how.TLS == nil {
		return nil
	}
	t := tls.Server(c.raw, c.how.TLS())
	ctx, cancel := context.WithDeadline(c.handling, c.arriveBy)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return handshakeError(ctx, err)
	}
	c.nc, c.encrypted = t, true
	certificates := t.ConnectionState().PeerCertificates
	if len(certificates) == 0 || len(c.how.Mechanisms) > 0 {
		return nil
	}
	principal, err := c.how.Principal(certificates[0])
	if err != nil {
		return fmt.Errorf("the client's certificate: %w", err)
	}
	c.become(principal)
	c.b.noteLogin(c.caller.Load(), nil, "by", "certificate", "serial", certificates[0].SerialNumber)
	return nil
}

// become says who the client is from now on.
func (c *conn) become(principal string) {
	caller := *c.caller.Load()
	caller.Principal = principal
	c.caller.Store(&caller)
}

// handshakeError says in words what went wrong in a handshake.
func handshakeError(ctx context.Context, err error) error {
	var header tls.RecordHeaderError
	var alert *net.OpError
	switch {
	case errors.As(err, &header) && header.Conn != nil:
		return fmt.Errorf("the client does not speak TLS, which this listener demands (it began with %q)", header.RecordHeader[:])
	case errors.As(err, &alert) && refusesCertificate(alert):
		return fmt.Errorf("TLS handshake: the client does not accept this node's certificate: give it the authority that signed it, and check the name it connects to: %w", err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("TLS handshake: the client was too slow")
	}
	return fmt.Errorf("TLS handshake: %w", err)
}

// refusesCertificate tells the client's alerts that are about a certificate (RFC 8446,
// section 6.2). crypto/tls gives them no type of their own.
func refusesCertificate(e *net.OpError) bool {
	return e.Op == "remote error" && strings.Contains(e.Err.Error(), "certificate")
}

// speaksOther guesses at what a client speaks whose first four bytes are no length of
// a request; nil if there is nothing to guess.
func speaksOther(p prefix) error {
	switch uint32(p.size) >> 8 {
	case 0x160301, 0x160303:
		return errors.New("the client speaks TLS, which this listener does not: use a listener with TLS, or turn it off in the client")
	case 'G'<<16 | 'E'<<8 | 'T', 'P'<<16 | 'O'<<8 | 'S', 'H'<<16 | 'E'<<8 | 'A':
		return errors.New("the client speaks HTTP; this is a port for Kafka clients")
	}
	return nil
}

// noteLogin writes down who came in or, with a cause, was refused; of a flood only
// some, and no flood of the one hides the other.
func (b *Broker) noteLogin(caller *Caller, cause error, args ...any) {
	lines, level, what := &b.logins, slog.LevelInfo, "client authenticated"
	if cause != nil {
		lines, level, what = &b.failedLogins, slog.LevelWarn, "authentication failed"
		args = append(args, "error", cause)
	}
	suppressed, ok := lines.allow(time.Now())
	if !ok {
		return
	}
	args = append(args, "principal", caller.Principal, "client", caller.Host, "client_id", short(caller.ClientID), "listener", caller.Listener)
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	b.opts.Logger.Log(context.Background(), level, what, args...)
}

// reached is the address that a connection came to.
func (l *Listener) reached(nc net.Conn) Endpoint {
	if l.Advertised != (Endpoint{}) {
		return l.Advertised
	}
	return endpoint(nc.LocalAddr())
}
