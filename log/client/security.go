package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Mechanisms are the names that Security.Mechanism may have.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// DefaultMechanism is used where a user is named and no mechanism. It never sends
// the password.
const DefaultMechanism = "SCRAM-SHA-512"

// Security says how a connection is encrypted and who connects. The zero value is
// a plain connection of nobody in particular.
type Security struct {
	// TLS encrypts; nil is plaintext. An empty ServerName means the host of each
	// broker's address. A certificate in it is what mutual TLS shows.
	TLS *tls.Config
	// Mechanism is a SASL mechanism of Mechanisms, in any case; "" is
	// DefaultMechanism if there is a user, otherwise none.
	Mechanism string
	// User and Password are SASL's. Neither appears in an error.
	User, Password string
}

// options are kgo's for s.
func (s *Security) options() ([]kgo.Opt, error) {
	var opts []kgo.Opt
	if s.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(s.TLS))
	}
	if s.User == "" {
		if s.Mechanism != "" || s.Password != "" {
			return nil, errors.New("a SASL mechanism or a password is given, but no user")
		}
		return opts, nil
	}
	m, err := s.mechanism()
	if err != nil {
		return nil, err
	}
	return append(opts, kgo.SASL(m)), nil
}

func (s *Security) mechanism() (sasl.Mechanism, error) {
	if s.Password == "" {
		return nil, errors.New("a user is given, but no password")
	}
	switch strings.ToUpper(s.Mechanism) {
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512", "":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("SASL mechanism %q is not known: use one of %s", s.Mechanism, strings.Join(Mechanisms, ", "))
}
