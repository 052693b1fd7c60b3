package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Why a broker that could be reached is no use, for errors.Is on what Connect returns.
// Each is mended in another way.
var (
	// ErrAuthentication: the broker does not take this user with this password.
	ErrAuthentication = errors.New("the broker refuses the user or the password")
	// ErrMechanism: the listener does not offer the SASL mechanism.
	ErrMechanism = errors.New("the broker's listener does not offer this SASL mechanism")
	// ErrNoAuthentication: the listener does not authenticate anybody with a user and a
	// password.
	ErrNoAuthentication = errors.New("the broker's listener asks for no user and no password")

	// ErrUntrusted: the broker's certificate is not signed by a known authority, or
	// cannot be used. ErrOtherName and ErrExpired are such.
	ErrUntrusted = errors.New("the broker's certificate is not trusted")
	// ErrOtherName: it is for another host than the one that was asked.
	ErrOtherName = fmt.Errorf("%w: it has another name", ErrUntrusted)
	// ErrExpired: it is not valid yet, or no more.
	ErrExpired = fmt.Errorf("%w: it is out of date", ErrUntrusted)

	// ErrWantsCertificate: the listener demands a client certificate, and none was shown.
	ErrWantsCertificate = errors.New("the broker's listener demands a certificate of the client")
	// ErrCertificateRefused: the broker does not accept the certificate that was shown.
	ErrCertificateRefused = errors.New("the broker refuses this client's certificate")
	// ErrPlaintextBroker: TLS was asked of a listener that does not speak it.
	ErrPlaintextBroker = errors.New("the broker does not speak TLS at this address")
	// ErrTLSBroker: plaintext was spoken to a listener with TLS.
	ErrTLSBroker = errors.New("the broker speaks TLS at this address")
	// ErrNotKafka: what answers does not speak Kafka's protocol.
	ErrNotKafka = errors.New("what answers at this address is no Kafka broker")
	// ErrSilent: something takes connections and says nothing.
	ErrSilent = errors.New("something takes connections at this address and answers nothing")

	// ErrHungUp: the broker closed the connection and did not say why. The errors below
	// are such, with what is most likely the reason.
	ErrHungUp = errors.New("the broker closes the connection")
	// ErrHungUpOnTLS: in the TLS handshake.
	ErrHungUpOnTLS = fmt.Errorf("%w in the TLS handshake: it probably does not speak TLS at this address", ErrHungUp)
	// ErrHungUpOnPlaintext: at the first request, in plaintext.
	ErrHungUpOnPlaintext = fmt.Errorf("%w before it has answered anything: its listener probably has TLS", ErrHungUp)
	// ErrHungUpOnNobody: when a request came from a client that had not authenticated.
	ErrHungUpOnNobody = fmt.Errorf("%w when it is asked something: its listener probably demands a user and a password", ErrHungUp)
)

// progress is how far a first contact has come: it tells apart the reasons of brokers
// that close the connection without a word. It is a hook of kgo's.
type progress struct {
	asked    atomic.Bool // a connection was there, its TLS handshake done, and the first request sent
	answered atomic.Bool // and answered
}

const keyVersions = 18 // ApiVersions, which every client asks first

// OnBrokerWrite notes the first request.
func (p *progress) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == keyVersions && err == nil {
		p.asked.Store(true)
	}
}

// OnBrokerRead notes its answer.
func (p *progress) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == keyVersions && err == nil {
		p.answered.Store(true)
	}
}

// explain adds to an error of a first contact what it means; refused is that another
// attempt would end the same.
func (p *progress) explain(err error, s *Security) (explained error, refused bool) {
	meaning := p.meaning(err, s)
	if meaning == nil {
		return err, false
	}
	var guess *kgo.ErrFirstReadEOF // kgo's own, in many words
	if errors.As(err, &guess) {
		err = guess.Unwrap()
	}
	// A broker may be slow because it starts.
	return fmt.Errorf("%w: %w", meaning, err), meaning != ErrSilent
}

func (p *progress) meaning(err error, s *Security) error {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       *net.OpError
	)
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return ErrAuthentication
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return ErrMechanism
	case errors.Is(err, kerr.IllegalSaslState):
		return ErrNoAuthentication
	case errors.As(err, &certificate):
		return certificateFault(certificate)
	case errors.As(err, &record):
		return ErrPlaintextBroker
	case errors.As(err, &alert) && alert.Op == "remote error":
		return s.alertMeaning(alert)
	case hungUp(err):
		return p.hungUpMeaning(s)
	case strings.Contains(err.Error(), "tls alert"): // kgo has no types for these two
		return ErrTLSBroker
	case strings.Contains(err.Error(), "invalid large response size"), strings.Contains(err.Error(), "invalid negative response size"):
		return ErrNotKafka
	case p.asked.Load() && !p.answered.Load() && isTimeout(err):
		return ErrSilent
	}
	return nil
}

func certificateFault(err *tls.CertificateVerificationError) error {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return ErrOtherName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ErrExpired
	}
	return ErrUntrusted
}

// alertMeaning is what the broker means by an alert that it sent (RFC 8446, section
// 6.2). crypto/tls gives them no type of their own.
func (s *Security) alertMeaning(alert *net.OpError) error {
	switch text := alert.Err.Error(); {
	case !strings.Contains(text, "certificate"):
		return ErrHungUp
	case s.TLS != nil && len(s.TLS.Certificates) > 0:
		return ErrCertificateRefused
	}
	return ErrWantsCertificate
}

// hungUp tells whether the other side has closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (p *progress) hungUpMeaning(s *Security) error {
	switch {
	case s.TLS != nil && !p.asked.Load():
		return ErrHungUpOnTLS
	case s.TLS == nil && !p.answered.Load():
		return ErrHungUpOnPlaintext
	case s.User == "" && p.answered.Load():
		return ErrHungUpOnNobody
	}
	return ErrHungUp
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
