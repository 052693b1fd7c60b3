package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) certCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cert",
		Short: "Make certificates for development",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return usagef("cert needs init") },
	}
	c.AddCommand(a.certInit())
	return c
}

// certFlags are those of cert init.
type certFlags struct {
	dir   string
	hosts []string
	user  string
}

func (a *app) certInit() *cobra.Command {
	var f certFlags
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an authority, and certificates of a server and a client signed by it",
		Long: `Make a certificate authority of your own, a server's certificate for localhost and
every --host, and a client's certificate. They are for development: the key of the
authority lies beside them, without a password. Nothing is overwritten.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.make(c.OutOrStdout()) },
	}
	c.Flags().StringVar(&f.dir, "dir", "certs", "directory for the files")
	c.Flags().StringSliceVar(&f.hosts, "host", nil, "name or address that clients connect to, besides localhost, 127.0.0.1 and ::1; repeatable")
	c.Flags().StringVar(&f.user, "user", "client", "name in the client's certificate")
	return c
}

// How long certificates last. The authority's outlives those that it signs.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
)

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// make makes the certificates, writes them and says what to do with them.
func (f *certFlags) make(out io.Writer) error {
	ca, err := sign(template("Millrace development CA", authorityLife, 0), nil)
	if err != nil {
		return err
	}
	server := template("localhost", certificateLife, x509.ExtKeyUsageServerAuth)
	for _, host := range append([]string{"localhost", "127.0.0.1", "::1"}, f.hosts...) {
		if ip := net.ParseIP(host); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, host)
		}
	}
	serverID, err := sign(server, ca)
	if err != nil {
		return err
	}
	clientID, err := sign(template(f.user, certificateLife, x509.ExtKeyUsageClientAuth), ca)
	if err != nil {
		return err
	}
	if err := f.write(ca, serverID, clientID); err != nil {
		return err
	}
	_, err = io.WriteString(out, f.next())
	return err
}

// template is a certificate to be; without a use it is an authority's.
func template(name string, life time.Duration, use x509.ExtKeyUsage) *x509.Certificate {
	now := time.Now()
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life), // clocks differ
	}
	if use == 0 {
		t.IsCA, t.MaxPathLenZero, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		return t
	}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{use}
	return t
}

// sign makes a key for t and has ca sign it; without a ca t signs itself.
func sign(t *x509.Certificate, ca *identity) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	parent, signer := t, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", t.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", t.Subject.CommonName, err)
	}
	return &identity{cert, key}, nil
}

// write writes all files or, if one is there already, none.
func (f *certFlags) write(ca, server, client *identity) error {
	files := []struct {
		name  string
		parts []*pem.Block
		mode  fs.FileMode
	}{
		{"ca.pem", []*pem.Block{ca.certBlock()}, 0o644},
		{"ca.key", []*pem.Block{ca.keyBlock()}, 0o600},
		{"server.pem", []*pem.Block{server.certBlock(), ca.certBlock()}, 0o644},
		{"server.key", []*pem.Block{server.keyBlock()}, 0o600},
		{"client.pem", []*pem.Block{client.certBlock()}, 0o644},
		{"client.key", []*pem.Block{client.keyBlock()}, 0o600},
		{"client-keystore.pem", []*pem.Block{client.keyBlock(), client.certBlock(), ca.certBlock()}, 0o600},
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	var there []string
	for _, file := range files {
		if _, err := os.Lstat(filepath.Join(f.dir, file.name)); !errors.Is(err, fs.ErrNotExist) {
			there = append(there, file.name)
		}
	}
	if len(there) > 0 {
		return fmt.Errorf("%s has %s already, and nothing is overwritten: choose another --dir, or move them away", f.dir, strings.Join(there, ", "))
	}
	for _, file := range files {
		var text []byte
		for _, p := range file.parts {
			text = append(text, pem.EncodeToMemory(p)...)
		}
		if err := writeNew(filepath.Join(f.dir, file.name), text, file.mode); err != nil {
			return fmt.Errorf("make certificates: %w", err)
		}
	}
	return nil
}

// writeNew writes a file that must not be there.
func writeNew(name string, text []byte, mode fs.FileMode) error {
	w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return errors.Join(err, w.Close())
}

func (i *identity) certBlock() *pem.Block {
	return &pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw}
}

// keyBlock is in PKCS #8, the only form that Java reads.
func (i *identity) keyBlock() *pem.Block {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		panic(err) // a P-256 key has this form
	}
	return &pem.Block{Type: "PRIVATE KEY", Bytes: der}
}

// next says what the certificates are good for.
func (f *certFlags) next() string {
	return strings.ReplaceAll(strings.ReplaceAll(`Made an authority, a server's and a client's certificate in DIR, for development.

A node that asks for a certificate of every client (mutual TLS; the client is User:CN=WHO):
  millrace server --data data --listen ssl://localhost:9093 \
    --tls-cert DIR/server.pem --tls-key DIR/server.key --tls-client-ca DIR/ca.pem

A node that asks for a user and a password:
  millrace server --data data --listen sasl_ssl://localhost:9093 \
    --tls-cert DIR/server.pem --tls-key DIR/server.key \
    --first-user admin --first-user-password-file admin.password

Clients of the first:
  millrace topic list --brokers localhost:9093 --tls-ca DIR/ca.pem --tls-cert DIR/client.pem --tls-key DIR/client.key
  kcat -b localhost:9093 -L -X security.protocol=ssl -X ssl.ca.location=DIR/ca.pem \
    -X ssl.certificate.location=DIR/client.pem -X ssl.key.location=DIR/client.key
  Java: security.protocol=SSL
        ssl.truststore.type=PEM  ssl.truststore.location=DIR/ca.pem
        ssl.keystore.type=PEM    ssl.keystore.location=DIR/client-keystore.pem
`, "DIR", f.dir), "WHO", f.user)
}
