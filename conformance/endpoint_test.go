package conformance

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The user whom the nodes of these tests know.
const (
	user     = "conformance"
	password = "only for tests"
)

// endpoint is an address of a node and what a client has to know to be let in.
type endpoint struct {
	broker    string
	mechanism string // of SASL, over TLS; "" is plaintext for everybody
	ca        string // the file with the authority of the node's certificate
}

// plain is a new node without encryption and authentication.
func plain(t *testing.T) endpoint {
	return endpoint{broker: startServer(t, []string{"plaintext"}).addr(0)}
}

// secure is a new node with a listener for TLS, authentication and authorization. The
// user may do everything.
func secure(t *testing.T, mechanism string) endpoint {
	certs := certificates(t)
	s := startServer(t, []string{"sasl_ssl"}, append(firstUser(t), "--authorize",
		"--tls-cert", filepath.Join(certs, "server.pem"), "--tls-key", filepath.Join(certs, "server.key"))...)
	return endpoint{broker: s.addr(0), mechanism: mechanism, ca: filepath.Join(certs, "ca.pem")}
}

// certificates is a folder with what `millrace cert init` makes.
func certificates(t *testing.T) string {
	t.Helper()
	path, err := millrace()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "certs")
	if out, err := exec.CommandContext(t.Context(), path, "cert", "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("millrace cert init: %v\n%s", err, out)
	}
	return dir
}

// firstUser are the flags that make the user.
func firstUser(t *testing.T) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--first-user", user, "--first-user-password-file", file}
}

// overEach runs a scenario against a new node for each way of connecting.
func overEach(t *testing.T, scenario func(*testing.T, endpoint)) {
	t.Run("plain", func(t *testing.T) { scenario(t, plain(t)) })
	t.Run("sasl_ssl", func(t *testing.T) { scenario(t, secure(t, "SCRAM-SHA-512")) })
}

// env are the variables from which the programs take the endpoint.
func (e endpoint) env() []string {
	if e.mechanism == "" {
		return []string{"BROKER=" + e.broker}
	}
	return []string{"BROKER=" + e.broker, "SASL_MECHANISM=" + e.mechanism, "SSL_CA=" + e.ca, "SASL_USER=" + user, "SASL_PASSWORD=" + password}
}

// roots trust the authority of the node's certificate.
func (e endpoint) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	ca, err := os.ReadFile(e.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return roots
}
