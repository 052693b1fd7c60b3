package log

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	made int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// write replaces a file as a careful person does: at once.
func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	tmp := a.path(name + ".new")
	if err := os.WriteFile(tmp, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(tmp, a.path(name)); err != nil {
		a.t.Fatal(err)
	}
}

// issue signs a certificate and writes NAME.pem and NAME.key.
func (a *authority) issue(name string, subject pkix.Name, change ...func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	a.made++
	key := a.newKey()
	c := &x509.Certificate{Subject: subject, SerialNumber: big.NewInt(100 + a.made), BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"localhost"}}
	for _, f := range change {
		f(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", secret)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// server is a listener's TLS with a certificate of the authority.
func (a *authority) server() *TLSOptions {
	a.issue("server", pkix.Name{CommonName: "localhost"})
	return &TLSOptions{CertFile: a.path("server.pem"), KeyFile: a.path("server.key")}
}

// mutual is server, asking for certificates of the same authority.
func (a *authority) mutual(policy ClientCertificates) *TLSOptions {
	o := a.server()
	o.ClientCertificates, o.ClientCAFile = policy, a.path("ca.pem")
	return o
}

// trusting is a client's configuration that trusts the authority.
func (a *authority) trusting(own ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, Certificates: own, ServerName: "localhost"}
}

// serveOn is serve with a listener of its own kind.
func serveOn(t testing.TB, n *Node, o ListenerOptions) string {
	t.Helper()
	o.Address = "127.0.0.1:0"
	l, err := n.ListenOn(o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(t.Context()) }()
	t.Cleanup(func() {
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr()
}

// logged is a log that a test reads.
type logged struct {
	mu      sync.Mutex
	text    bytes.Buffer // guarded by mu
	changed chan struct{}
}

func newLogged() *logged { return &logged{changed: make(chan struct{}, 1)} }

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// has tells whether there is a line with all texts.
func (l *logged) has(texts ...string) bool {
	for line := range bytes.Lines([]byte(l.String())) {
		all := true
		for _, text := range texts {
			all = all && bytes.Contains(line, []byte(text))
		}
		if all {
			return true
		}
	}
	return false
}

// until waits for a line that has all texts.
func (l *logged) until(t testing.TB, texts ...string) {
	t.Helper()
	ctx := within(t)
	for !l.has(texts...) {
		select {
		case <-l.changed:
		case <-ctx.Done():
			t.Fatalf("no line with %q in:\n%s", texts, l)
		}
	}
}
