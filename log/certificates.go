package log

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificates are the files of a listener's TLS, as they were when they were last
// good.
//
// Certificates are replaced while the node runs: by a person, by certbot, by a
// Kubernetes secret that swaps a symbolic link. Watching for that with the system's
// help breaks in as many ways as there are to replace a file. So the files are looked
// at when a client comes, at most once in lookEvery:
//
//  1. What is served is always a certificate and a key that fit.
//  2. A change that cannot be read, a half-written file or one of a pair, leaves what
//     is served as it is and is said once; the next change is tried again.
//  3. One client at a time looks; the others take what there is and do not wait.
type certificates struct {
	files  TLSOptions
	logger *slog.Logger

	config  atomic.Pointer[tls.Config]
	looked  atomic.Int64 // Unix nanoseconds
	looking atomic.Bool
	seen    [3]stamp // of who has set looking
}

// lookEvery is the time in which a change is noticed.
const lookEvery = time.Second

// expirySoon is when an operator is told that a certificate is about to end.
const expirySoon = 14 * 24 * time.Hour

// stamp tells versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

// loadCertificates reads the files for the first time.
func loadCertificates(files TLSOptions, logger *slog.Logger) (*certificates, error) {
	c := &certificates{files: files, logger: logger}
	c.seen = c.stamps()
	config, err := c.load()
	if err != nil {
		return nil, err
	}
	c.install(config)
	c.looked.Store(time.Now().UnixNano())
	return c, nil
}

// current is the configuration for a handshake now.
func (c *certificates) current(now time.Time) *tls.Config {
	if now.UnixNano()-c.looked.Load() >= int64(lookEvery) && c.looking.CompareAndSwap(false, true) {
		c.look()
		c.looked.Store(now.UnixNano())
		c.looking.Store(false)
	}
	return c.config.Load()
}

// look reads the files again if one has changed.
func (c *certificates) look() {
	now := c.stamps()
	if now == c.seen {
		return
	}
	c.seen = now
	config, err := c.load()
	if err != nil {
		c.logger.Error("the TLS files have changed and cannot be used: the node goes on with what it had", "error", err)
		return
	}
	c.install(config)
	c.logger.Info("TLS files read again", "certificate", c.files.CertFile, "expires", c.leaf().NotAfter)
}

// stamps of the files; that of a file that is not there is zero.
func (c *certificates) stamps() [3]stamp {
	var all [3]stamp
	for i, name := range []string{c.files.CertFile, c.files.KeyFile, c.files.ClientCAFile} {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// load makes a configuration of the files. Sessions are resumed only under the
// configuration that they began with, so a new authority is asked about everybody.
func (c *certificates) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("TLS certificate %s with key %s: %w", c.files.CertFile, c.files.KeyFile, err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if !c.files.asks() {
		return config, nil
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	if c.files.ClientCertificates == CertificatesRequire {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	pem, err := os.ReadFile(c.files.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("authorities of clients' certificates: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities of clients' certificates: %w", errors.New(c.files.ClientCAFile+" has no certificate in PEM form"))
	}
	return config, nil
}

// install serves config from now on.
func (c *certificates) install(config *tls.Config) {
	c.config.Store(config)
	if left := time.Until(c.leaf().NotAfter); left < expirySoon {
		c.logger.Warn("the TLS certificate expires soon, or has expired", "certificate", c.files.CertFile, "expires", c.leaf().NotAfter)
	}
}

// leaf is the certificate that is served.
func (c *certificates) leaf() *x509.Certificate { return c.config.Load().Certificates[0].Leaf }
