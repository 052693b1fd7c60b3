// Package sasl is the server's side of SASL: it finds out who a client is, by PLAIN
// (RFC 4616) or SCRAM (RFC 5802, 7677), against credentials from which a password
// cannot be read back.
//
//	server := sasl.NewServer(lookup, secret)
//	exchange := server.Begin(sasl.ScramSHA512)
//	for !exchange.Done() {
//		challenge, err := exchange.Step(ctx, token) // send challenge, receive the next token
//	}
//	user := exchange.User()
//
// It does not know connections, requests or where credentials are kept, nor what a
// user may do.
package sasl

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"runtime"
	"slices"
)

var (
	// ErrRefused means that the user, the password or the proof is wrong. It says
	// the same whichever it is, so that nobody learns which users there are.
	ErrRefused = errors.New("invalid credentials")
	// ErrMalformed means that a token is not what the mechanism prescribes.
	ErrMalformed = errors.New("malformed SASL token")
)

// Mechanism is a way to authenticate. SCRAM mechanisms have the numbers that
// Kafka's protocol gives them.
type Mechanism int8

// The mechanisms.
const (
	ScramSHA256 Mechanism = 1
	ScramSHA512 Mechanism = 2
	// Plain sends the password, so it needs encryption around it.
	Plain Mechanism = 100
)

var names = map[Mechanism]string{Plain: "PLAIN", ScramSHA256: "SCRAM-SHA-256", ScramSHA512: "SCRAM-SHA-512"}

// Mechanisms are all there are, the best first.
func Mechanisms() []Mechanism { return []Mechanism{ScramSHA512, ScramSHA256, Plain} }

// ParseMechanism finds a mechanism by its registered name.
func ParseMechanism(name string) (Mechanism, error) {
	all := Mechanisms()
	i := slices.IndexFunc(all, func(m Mechanism) bool { return m.String() == name })
	if i < 0 {
		return 0, fmt.Errorf("no SASL mechanism %q: there are %v", name, all)
	}
	return all[i], nil
}

// String is the registered name.
func (m Mechanism) String() string {
	if name, ok := names[m]; ok {
		return name
	}
	return fmt.Sprintf("mechanism %d", int8(m))
}

// Scram reports whether m has credentials of its own.
func (m Mechanism) Scram() bool { return m == ScramSHA256 || m == ScramSHA512 }

// hash is that of a SCRAM mechanism.
func (m Mechanism) hash() func() hash.Hash {
	if m == ScramSHA256 {
		return sha256.New
	}
	return sha512.New
}

// Lookup finds a user's credential for a SCRAM mechanism. It is called
// concurrently.
type Lookup func(user string, m Mechanism) (Credential, bool)

// Server authenticates any number of clients at once.
type Server struct {
	lookup Lookup
	secret []byte
	// deriving is for who makes a password into a key, which is slow by intent:
	// strangers with PLAIN get half of the processors at most.
	deriving *turns
	nonce    func() string
}

// NewServer makes a Server. secret is random and stays the same as long as the
// credentials do: from it come the salts that are shown for users that do not exist.
func NewServer(lookup Lookup, secret []byte) *Server {
	return &Server{
		lookup: lookup, secret: secret, nonce: newNonce,
		deriving: newTurns(max(1, runtime.GOMAXPROCS(0)/2)),
	}
}

// Begin starts the exchange of one client. m is one of Mechanisms.
func (s *Server) Begin(m Mechanism) *Exchange { return s.BeginFrom("", m) }

// BeginFrom is Begin for a client at an address. Where clients have to wait for each
// other, addresses take turns.
func (s *Server) BeginFrom(address string, m Mechanism) *Exchange {
	e := &Exchange{server: s, mechanism: m, address: address}
	if m == Plain {
		e.next = e.plain
	} else {
		e.next = e.scramFirst
	}
	return e
}

// Exchange is the authentication of one client. It is for one goroutine.
type Exchange struct {
	server    *Server
	mechanism Mechanism
	address   string
	user      string
	next      func(context.Context, []byte) ([]byte, error) // nil at the end
	scram     scramState
}

// Step takes the client's next token and returns what to answer, which may be
// empty. An error is the end of the exchange; errors.Is finds ErrRefused or
// ErrMalformed of it, or if the token was not looked at ErrBusy or the cause of ctx.
func (e *Exchange) Step(ctx context.Context, token []byte) (challenge []byte, err error) {
	step := e.next
	e.next = nil
	if step == nil {
		return nil, fmt.Errorf("%w: the exchange is over", ErrMalformed)
	}
	challenge, err = step(ctx, token)
	if err != nil {
		e.next = nil
	}
	return challenge, err
}

// Done reports whether the client has proved to be User, if no Step has failed.
func (e *Exchange) Done() bool { return e.next == nil }

// User is who the client says to be, "" before that is known. It is proved only
// when the exchange is done without an error.
func (e *Exchange) User() string { return e.user }

// Mechanism is what Begin was given.
func (e *Exchange) Mechanism() Mechanism { return e.mechanism }
