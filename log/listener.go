package log

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/internal/sasl"
)

// ListenerOptions say how clients come in at an address. Only Address is needed: the
// rest is plaintext for anybody, which is refused beyond loopback.
type ListenerOptions struct {
	// Name tells listeners apart in logs, metrics and between nodes; "" means
	// Protocol().
	Name string
	// Address is host:port, where port 0 means any free one. "localhost" means its
	// IPv4 and its IPv6 address, because clients resolve it to either.
	Address string
	// Advertised is the host:port that clients which came in here are told to connect
	// to. "" means the address that each came to, which is right unless an address is
	// translated on the way.
	Advertised string
	// TLS encrypts; nil is plaintext.
	TLS *TLSOptions
	// SASL demands a user and a password; nil does not.
	SASL *SASLOptions
}

// ClientCertificates says whether clients show certificates.
type ClientCertificates string

// What is done about certificates of clients. The zero value means CertificatesNone.
const (
	// CertificatesNone does not ask for any.
	CertificatesNone ClientCertificates = "none"
	// CertificatesRequest checks those that are shown; who shows none is anonymous.
	CertificatesRequest ClientCertificates = "request"
	// CertificatesRequire lets nobody in without (mutual TLS).
	CertificatesRequire ClientCertificates = "require"
)

// TLSOptions are a listener's. All files are PEM; they are read again when they
// change, for the connections that come then.
type TLSOptions struct {
	// CertFile is the node's certificate, followed by those that lead to its
	// authority. KeyFile is the certificate's key.
	CertFile, KeyFile string
	// ClientCertificates is the policy; "" means CertificatesNone.
	ClientCertificates ClientCertificates
	// ClientCAFile holds the authorities that sign the clients' certificates. It is
	// needed where certificates are asked for.
	ClientCAFile string
	// PrincipalRules turn the distinguished name of a client's certificate into the
	// name of a user, as Kafka's ssl.principal.mapping.rules; "" means the whole name.
	// They have no effect with SASL, which says who the client is.
	PrincipalRules string
}

// SASLOptions are a listener's.
type SASLOptions struct {
	// Mechanisms are of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; empty means both SCRAM
	// and, with TLS, PLAIN, which sends the password.
	Mechanisms []string
	// Session is how long an authentication holds before the client must renew it on
	// the same connection (KIP-368; Kafka's connections.max.reauth.ms); 0 means as long
	// as the connection.
	Session time.Duration
}

// Protocol is Kafka's name of what is spoken: PLAINTEXT, SSL, SASL_PLAINTEXT or
// SASL_SSL.
func (o *ListenerOptions) Protocol() string {
	switch {
	case o.SASL != nil && o.TLS != nil:
		return "SASL_SSL"
	case o.SASL != nil:
		return "SASL_PLAINTEXT"
	case o.TLS != nil:
		return "SSL"
	}
	return "PLAINTEXT"
}

// Validate reports every fault at once. It reads no files.
func (o *ListenerOptions) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("listener %s: %w", o.Address, fmt.Errorf(format, args...)))
	}
	if _, _, err := net.SplitHostPort(o.Address); err != nil {
		fault("the address is not host:port: %w", err)
	}
	if o.Advertised != "" {
		if _, _, err := splitAdvertised(o.Advertised); err != nil {
			fault("%w", err)
		}
	}
	if o.TLS != nil {
		o.TLS.validate(fault)
	}
	if o.SASL != nil {
		if _, err := o.SASL.mechanisms(o.TLS != nil); err != nil {
			fault("%w", err)
		}
		if o.SASL.Session < 0 || o.SASL.Session > 0 && o.SASL.Session < minSession {
			fault("an authentication cannot hold for %v: at least %v, or 0 for as long as the connection", o.SASL.Session, minSession)
		}
	}
	return errors.Join(faults...)
}

// minSession leaves clients time to renew: they do so a second or two before the end,
// and may not more often than once a second.
const minSession = 3 * time.Second

func (t *TLSOptions) validate(fault func(string, ...any)) {
	if t.CertFile == "" || t.KeyFile == "" {
		fault("TLS needs a certificate and its key (millrace cert init makes both for development)")
	}
	policies := []ClientCertificates{"", CertificatesNone, CertificatesRequest, CertificatesRequire}
	if !slices.Contains(policies, t.ClientCertificates) {
		fault("clients' certificates are %q: use %q, %q or %q", t.ClientCertificates, CertificatesNone, CertificatesRequest, CertificatesRequire)
	}
	if asks := t.asks(); asks != (t.ClientCAFile != "") {
		if asks {
			fault("certificates of clients are asked for: name the authorities that sign them")
		} else {
			fault("authorities of clients' certificates are named, but none are asked for")
		}
	}
	if _, err := acl.ParsePrincipalRules(t.PrincipalRules); err != nil {
		fault("%w", err)
	}
}

// asks reports whether clients are asked for certificates.
func (t *TLSOptions) asks() bool {
	return t.ClientCertificates == CertificatesRequest || t.ClientCertificates == CertificatesRequire
}

func (s *SASLOptions) mechanisms(encrypted bool) ([]sasl.Mechanism, error) {
	var all []sasl.Mechanism
	for _, name := range s.Mechanisms {
		m, err := sasl.ParseMechanism(strings.ToUpper(name))
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if len(all) > 0 {
		return all, nil
	}
	all = []sasl.Mechanism{sasl.ScramSHA512, sasl.ScramSHA256}
	if encrypted {
		all = append(all, sasl.Plain)
	}
	return all, nil
}

// exposed says why other machines should not reach the listener, or nothing.
func (o *ListenerOptions) exposed() string {
	encrypted := o.TLS != nil
	known := o.SASL != nil || encrypted && o.TLS.ClientCertificates == CertificatesRequire
	switch {
	case !encrypted && !known:
		return "and connections are neither encrypted nor authenticated"
	case !encrypted:
		return "and connections are not encrypted, so that data can be read and changed on the way: add TLS"
	case !known:
		return "and connections are encrypted, but anybody can make one: demand SASL or certificates of clients"
	}
	return ""
}

// serving is what the broker needs to know of a listener. It reads the files.
func (o *ListenerOptions) serving(logger *slog.Logger) (*broker.Listener, error) {
	l := &broker.Listener{Name: o.Name}
	if l.Name == "" {
		l.Name = o.Protocol()
	}
	if o.Advertised != "" {
		l.Advertised.Host, l.Advertised.Port, _ = splitAdvertised(o.Advertised) // validated
	}
	if o.SASL != nil {
		l.Mechanisms, _ = o.SASL.mechanisms(o.TLS != nil) // validated
		l.Session = o.SASL.Session
	}
	if o.TLS == nil {
		return l, nil
	}
	c, err := loadCertificates(*o.TLS, logger)
	if err != nil {
		return nil, err
	}
	if h := l.Advertised.Host; h != "" {
		if err := c.leaf().VerifyHostname(h); err != nil {
			logger.Warn("clients that check names will refuse this node's certificate", "listener", l.Name, "advertised", h, "error", err)
		}
	}
	l.TLS = func() *tls.Config { return c.current(time.Now()) }
	rules, _ := acl.ParsePrincipalRules(o.TLS.PrincipalRules) // validated
	l.Principal = func(cert *x509.Certificate) (string, error) { return certificatePrincipal(rules, cert) }
	return l, nil
}

// certificatePrincipal is who shows a certificate.
func certificatePrincipal(rules *acl.PrincipalRules, cert *x509.Certificate) (string, error) {
	name, err := distinguishedName(cert.RawSubject)
	if err != nil {
		return "", err
	}
	user, err := rules.Apply(name)
	if err != nil {
		return "", err
	}
	if user == "" {
		return "", fmt.Errorf("the principal mapping rules make no name of %q", name)
	}
	return "User:" + user, nil
}
