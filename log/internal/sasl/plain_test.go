package sasl

import (
	"context"
	"errors"
	"testing"
)

func TestPlain(t *testing.T) {
	both := users(t, map[string]string{"alice": "wonder land"})
	only := func(m Mechanism) Lookup {
		return func(user string, asked Mechanism) (Credential, bool) {
			if asked != m {
				return Credential{}, false
			}
			return both(user, m)
		}
	}
	for name, lookup := range map[string]Lookup{"both": both, "256": only(ScramSHA256), "512": only(ScramSHA512)} {
		s := NewServer(lookup, []byte("x"))
		for token, want := range map[string]error{
			"\x00alice\x00wonder land":      nil,
			"alice\x00alice\x00wonder land": nil,
			"bob\x00alice\x00wonder land":   ErrRefused,
			"\x00alice\x00wonderland":       ErrRefused,
			"\x00bob\x00wonder land":        ErrRefused,
			"\x00\x00wonder land":           ErrRefused,
			"\x00alice\x00":                 ErrRefused,
			"alice\x00wonder land":          ErrMalformed,
			"\x00alice\x00wonder land\x00":  ErrMalformed,
			"":                              ErrMalformed,
			"\x00alice\x00\xff":             ErrMalformed,
		} {
			e := s.Begin(Plain)
			if _, err := e.Step(t.Context(), []byte(token)); !errors.Is(err, want) {
				t.Errorf("%s: %q: %v", name, token, err)
			}
			if !e.Done() {
				t.Errorf("%s: %q: the exchange goes on", name, token)
			}
		}
	}
}

// canceled is a context that is over.
func canceled(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

// TestPlainWaitsItsTurn: keys are derived for so many clients at once and no more;
// who waits gives up when its connection does.
func TestPlainWaitsItsTurn(t *testing.T) {
	s := NewServer(users(t, map[string]string{"alice": "secret"}), []byte("x"))
	for s.deriving.free > 0 {
		_ = s.deriving.take(t.Context(), "")
	}
	ctx, _ := canceled(t)
	if _, err := s.Begin(Plain).Step(ctx, []byte("\x00alice\x00secret")); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that is gone: %v", err)
	}
	s.deriving.give()
	if _, err := s.Begin(Plain).Step(t.Context(), []byte("\x00alice\x00secret")); err != nil {
		t.Error(err)
	}
}
