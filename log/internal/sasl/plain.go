package sasl

import (
	"bytes"
	"context"
	"fmt"
	"unicode/utf8"
)

// plain checks the only token of PLAIN (RFC 4616):
//
//	[authorization id] NUL user NUL password
//
// The password is checked against the user's SCRAM credentials: there is one place
// for passwords, and it has none.
func (e *Exchange) plain(ctx context.Context, token []byte) ([]byte, error) {
	parts := bytes.Split(token, []byte{0})
	if len(parts) != 3 || !utf8.Valid(token) {
		return nil, fmt.Errorf("%w: PLAIN has three parts, separated by NUL", ErrMalformed)
	}
	as, user, password := string(parts[0]), string(parts[1]), string(parts[2])
	e.user = user
	switch {
	case user == "" || password == "":
		return nil, fmt.Errorf("%w: the user or the password is empty", ErrRefused)
	case as != "" && as != user:
		return nil, fmt.Errorf("%w: nobody may act for another user", ErrRefused)
	}
	if err := e.server.deriving.take(ctx, e.address); err != nil {
		return nil, err
	}
	defer e.server.deriving.give()
	m := e.server.strongest(user)
	c := e.server.find(user, m)
	if !c.matches(m, password) {
		return nil, ErrRefused
	}
	return nil, nil
}

// strongest is the mechanism of the best credential that the user has.
func (s *Server) strongest(user string) Mechanism {
	if _, ok := s.lookup(user, ScramSHA512); !ok {
		if _, ok := s.lookup(user, ScramSHA256); ok {
			return ScramSHA256
		}
	}
	return ScramSHA512
}
