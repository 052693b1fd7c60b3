package sasl

import (
	"bytes"
	"strings"
	"testing"
)

func TestCredentialRefusals(t *testing.T) {
	salted, salt := make([]byte, 32), []byte("salt")
	for name, err := range map[string]error{
		"few":      second(FromSalted(ScramSHA256, salted, salt, MinIterations-1)),
		"many":     second(FromSalted(ScramSHA256, salted, salt, MaxIterations+1)),
		"length":   second(FromSalted(ScramSHA512, salted, salt, MinIterations)),
		"salt":     second(FromSalted(ScramSHA256, salted, nil, MinIterations)),
		"plain":    second(FromSalted(Plain, salted, salt, MinIterations)),
		"empty":    second(NewCredential(ScramSHA256, "", 0)),
		"encoding": second(NewCredential(ScramSHA256, "\xff", 0)),
		"nobody":   CheckUser(""),
		"control":  CheckUser("a\nb"),
		"utf-8":    CheckUser("\xff"),
		"long":     CheckUser(strings.Repeat("x", 2000)),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := CheckUser("Jürgen Müller,ou=x"); err != nil {
		t.Error(err)
	}
}

func second(_ Credential, err error) error { return err }

// TestCredentialsDiffer: the same password twice gives nothing in common, so that
// nobody sees who shares one.
func TestCredentialsDiffer(t *testing.T) {
	a, err := NewCredential(ScramSHA512, "secret", 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewCredential(ScramSHA512, "secret", 0)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.StoredKey, b.StoredKey) || bytes.Equal(a.ServerKey, b.ServerKey) {
		t.Error("two credentials of one password are alike")
	}
	if a.Iterations != DefaultIterations || len(a.StoredKey) != 64 || !a.matches(ScramSHA512, "secret") || a.matches(ScramSHA512, "Secret") {
		t.Errorf("%d iterations, %d bytes", a.Iterations, len(a.StoredKey))
	}
}

func TestMechanismNames(t *testing.T) {
	for _, m := range Mechanisms() {
		if got, err := ParseMechanism(m.String()); got != m || err != nil {
			t.Errorf("%v becomes %v, %v", m, got, err)
		}
	}
	if _, err := ParseMechanism("GSSAPI"); err == nil || !strings.Contains(err.Error(), "SCRAM-SHA-256") {
		t.Errorf("GSSAPI: %v", err)
	}
}
