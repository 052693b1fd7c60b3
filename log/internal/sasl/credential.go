package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// The bounds of Credential.Iterations are Kafka's: the lower one that of RFC 7677,
// the upper one because clients pay for it at every connection.
const (
	MinIterations = 4096
	MaxIterations = 16384
	// DefaultIterations makes guessing passwords from a stolen credential as
	// expensive as may be.
	DefaultIterations = MaxIterations

	saltBytes    = 24
	maxUserBytes = 1 << 10
)

// Credential is what SCRAM keeps of a password (RFC 5802, section 3). It lets a
// server check a client, and no reader of it pass for the user; a password can only
// be guessed from it, with Iterations hashes per guess.
type Credential struct {
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
	Iterations int
}

// NewCredential makes a credential with a new salt. iterations of 0 are
// DefaultIterations.
func NewCredential(m Mechanism, password string, iterations int) (Credential, error) {
	if iterations == 0 {
		iterations = DefaultIterations
	}
	if password == "" {
		return Credential{}, errors.New("the password is empty")
	}
	if !utf8.ValidString(password) {
		return Credential{}, errors.New("the password is not UTF-8")
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	salted, err := hi(m, password, salt, iterations)
	if err != nil {
		return Credential{}, err
	}
	return FromSalted(m, salted, salt, iterations)
}

// FromSalted makes a credential of a password that a client has salted and hashed
// itself, as AlterUserScramCredentials carries it.
func FromSalted(m Mechanism, salted, salt []byte, iterations int) (Credential, error) {
	switch {
	case !m.Scram():
		return Credential{}, fmt.Errorf("%v has no credentials of its own", m)
	case iterations < MinIterations:
		return Credential{}, fmt.Errorf("too few iterations: %d, at least %d are needed", iterations, MinIterations)
	case iterations > MaxIterations:
		return Credential{}, fmt.Errorf("too many iterations: %d, at most %d are taken", iterations, MaxIterations)
	case len(salted) != m.hash()().Size():
		return Credential{}, fmt.Errorf("a salted password of %v has %d bytes, not %d", m, m.hash()().Size(), len(salted))
	case len(salt) == 0 || len(salt) > maxUserBytes:
		return Credential{}, fmt.Errorf("a salt of %d bytes: it has 1 to %d", len(salt), maxUserBytes)
	}
	h := m.hash()()
	h.Write(m.hmac(salted, "Client Key"))
	return Credential{Salt: salt, StoredKey: h.Sum(nil), ServerKey: m.hmac(salted, "Server Key"), Iterations: iterations}, nil
}

// CheckUser refuses names that no user should have: clients and logs would show
// them as something else.
func CheckUser(name string) error {
	switch {
	case name == "":
		return errors.New("the user name is empty")
	case len(name) > maxUserBytes:
		return fmt.Errorf("the user name has %d bytes, at most %d are taken", len(name), maxUserBytes)
	case !utf8.ValidString(name):
		return errors.New("the user name is not UTF-8")
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return errors.New("the user name has control characters")
		}
	}
	return nil
}

// matches reports whether the credential was made from the password.
func (c *Credential) matches(m Mechanism, password string) bool {
	salted, err := hi(m, password, c.Salt, c.Iterations)
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(c.ServerKey, m.hmac(salted, "Server Key")) == 1
}

// hi is the function Hi of RFC 5802, with as many bytes as the hash has.
func hi(m Mechanism, password string, salt []byte, iterations int) ([]byte, error) {
	salted, err := pbkdf2.Key(m.hash(), password, salt, iterations, m.hash()().Size())
	if err != nil {
		return nil, fmt.Errorf("salt a password for %v: %w", m, err)
	}
	return salted, nil
}

func (m Mechanism) hmac(key []byte, text string) []byte {
	mac := hmac.New(m.hash(), key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// find is a user's credential or, for a user who has none, one that looks the same
// every time and that nobody can match. Finding either takes the same steps.
func (s *Server) find(user string, m Mechanism) Credential {
	found, ok := s.lookup(user, m)
	mac := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(mac, "%v %s", m, user)
	key := make([]byte, m.hash()().Size())
	_, _ = rand.Read(key)
	decoy := Credential{Salt: mac.Sum(nil)[:saltBytes], StoredKey: key, ServerKey: key, Iterations: DefaultIterations}
	if ok {
		return found
	}
	return decoy
}
