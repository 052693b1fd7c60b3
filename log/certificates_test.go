package log

import (
	"crypto/x509/pkix"
	"os"
	"strings"
	"testing"
	"time"
)

// TestABrokenCertificateIsNotServed: a file that is half written, or a key of another
// certificate, leaves what was good in place, is said once, and is tried again.
func TestABrokenCertificateIsNotServed(t *testing.T) {
	a := newAuthority(t)
	seen := newLogged()
	c, err := loadCertificates(*a.server(), seen.logger())
	if err != nil {
		t.Fatal(err)
	}
	first := c.leaf().SerialNumber.Int64()
	now := time.Now()
	look := func() int64 {
		now = now.Add(time.Hour)
		return c.current(now).Certificates[0].Leaf.SerialNumber.Int64()
	}
	key, err := os.ReadFile(a.path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	a.issue("server", pkix.Name{CommonName: "localhost"})
	newKey, _ := os.ReadFile(a.path("server.key"))
	for _, text := range []string{string(key) + "\n", "-----BEGIN PRIVATE KEY-----\nMIG", ""} {
		if err := os.WriteFile(a.path("server.key"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := look(); got != first {
			t.Fatalf("with a key of %d bytes certificate %d is served", len(text), got)
		}
		look()
	}
	if err := os.Remove(a.path("server.pem")); err != nil {
		t.Fatal(err)
	}
	if got := look(); got != first {
		t.Fatalf("without a file certificate %d is served", got)
	}
	if said := strings.Count(seen.String(), "cannot be used"); said != 4 {
		t.Errorf("four faults are said %d times", said)
	}
	a.issue("server", pkix.Name{CommonName: "localhost"})
	if got := look(); got == first || len(newKey) == 0 {
		t.Error("the good files are not served")
	}
	if got := c.current(now.Add(lookEvery / 2)); got != c.config.Load() {
		t.Error("not the newest")
	}
}

func TestCertificatesThatCannotBeUsed(t *testing.T) {
	a := newAuthority(t)
	good := a.mutual(CertificatesRequire)
	for want, change := range map[string]func(*TLSOptions){
		"server.pem":        func(o *TLSOptions) { o.CertFile += "x" },
		"PEM form":          func(o *TLSOptions) { o.ClientCAFile = a.path("server.key") },
		"nothing.pem":       func(o *TLSOptions) { o.ClientCAFile = a.path("nothing.pem") },
		"rather than a key": func(o *TLSOptions) { o.KeyFile = o.CertFile },
	} {
		o := *good
		change(&o)
		if _, err := loadCertificates(o, newLogged().logger()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
