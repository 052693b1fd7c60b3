package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/log/client"
)

// passwordVariable is where a password is looked for if no file is named. A
// password is no flag: other users of the machine see command lines, and shells
// keep them.
const passwordVariable = "MILLRACE_PASSWORD"

// securityFlags say how a command connects to brokers, and as whom.
//
// There is no flag that skips the check of the brokers' certificate: whoever needs
// one has a private authority, which --tls-ca names, or a name on the way that is
// not the broker's, which --tls-server-name does.
type securityFlags struct {
	tls        bool
	ca         string
	serverName string
	pair       keyPair
	user       string
	mechanism  string
	password   passwordFile
}

// keyPair is this process's own certificate and its key.
type keyPair struct{ cert, key string }

func (k *keyPair) flags(c *cobra.Command, shownTo string) {
	c.Flags().StringVar(&k.cert, "tls-cert", "", "PEM file with the certificate, and those that lead to its authority, that is shown to "+shownTo)
	c.Flags().StringVar(&k.key, "tls-key", "", "PEM file with the key of --tls-cert")
}

// flags are those of a command that connects and serves nobody.
func (s *securityFlags) flags(c *cobra.Command) {
	s.flagsBesidePair(c)
	s.pair.flags(c, "brokers")
}

// flagsBesidePair leaves --tls-cert and --tls-key to the command.
func (s *securityFlags) flagsBesidePair(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&s.tls, "tls", false, "connect to --brokers with TLS; every other --tls flag implies it")
	f.StringVar(&s.ca, "tls-ca", "", "PEM file with the authorities that sign the brokers' certificates (default: the system's)")
	f.StringVar(&s.serverName, "tls-server-name", "", "name that the brokers' certificates are for, where it is not that of --brokers")
	f.StringVar(&s.user, "user", "", "user to authenticate as")
	f.StringVar(&s.mechanism, "sasl-mechanism", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (default: "+client.DefaultMechanism+" with --user)")
	s.password.flag(c, "--user")
}

// security reads the files that the flags name.
func (s *securityFlags) security(stdin io.Reader) (client.Security, error) {
	var faults []error
	sec := client.Security{User: s.user, Mechanism: s.mechanism}
	if s.tls || s.ca != "" || s.serverName != "" || s.pair != (keyPair{}) {
		config, err := s.tlsConfig()
		faults = append(faults, err)
		sec.TLS = config
	}
	if s.mechanism != "" && !slices.Contains(client.Mechanisms, strings.ToUpper(s.mechanism)) {
		faults = append(faults, fmt.Errorf("--sasl-mechanism %q: use one of %s", s.mechanism, strings.Join(client.Mechanisms, ", ")))
	}
	switch {
	case s.user != "":
		password, err := s.password.read(stdin)
		faults = append(faults, err)
		sec.Password = password
	case s.mechanism != "" || s.password.path != "":
		faults = append(faults, errors.New("--sasl-mechanism and --password-file need --user"))
	}
	if err := errors.Join(faults...); err != nil {
		return client.Security{}, usageError{err}
	}
	return sec, nil
}

func (s *securityFlags) tlsConfig() (*tls.Config, error) {
	var faults []error
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.serverName}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		config.RootCAs = x509.NewCertPool()
		if err == nil && !config.RootCAs.AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s has no certificate in PEM form", s.ca)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("--tls-ca: %w", err))
		}
	}
	if s.pair != (keyPair{}) {
		cert, err := s.pair.load()
		faults = append(faults, err)
		config.Certificates = []tls.Certificate{cert}
	}
	return config, errors.Join(faults...)
}

func (k *keyPair) load() (tls.Certificate, error) {
	if k.cert == "" || k.key == "" {
		return tls.Certificate{}, errors.New("--tls-cert and --tls-key go together")
	}
	cert, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return cert, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", k.cert, k.key, err)
	}
	return cert, nil
}

// passwordFile is where a password comes from: a file, standard input, or the
// environment.
type passwordFile struct {
	name string // of the flag; "" is password-file
	path string
}

func (p *passwordFile) flag(c *cobra.Command, of string) {
	if p.name == "" {
		p.name = "password-file"
	}
	c.Flags().StringVar(&p.path, p.name, "", "file with the password of "+of+", - for standard input (default: the variable "+passwordVariable+")")
}

// maxPassword is more than a person or a generator makes.
const maxPassword = 4 << 10

// read is the password without the newline at its end. Without a stdin it comes from
// a file or the environment.
func (p *passwordFile) read(stdin io.Reader) (string, error) {
	from, where := stdin, "standard input"
	switch p.path {
	case "":
		if password := os.Getenv(passwordVariable); password != "" {
			return password, nil
		}
		return "", fmt.Errorf("a password is needed: put it into a file for --%s, or into the variable %s", p.name, passwordVariable)
	case "-":
		if stdin == nil {
			return "", fmt.Errorf("--%s: standard input is not read here: name a file", p.name)
		}
	default:
		f, err := os.Open(p.path)
		if err != nil {
			return "", fmt.Errorf("--%s: %w", p.name, err)
		}
		defer f.Close()
		from, where = f, p.path
	}
	text, err := io.ReadAll(io.LimitReader(from, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("--%s: read %s: %w", p.name, where, err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" || len(text) > maxPassword {
		return "", fmt.Errorf("--%s: %s holds no password of 1 to %d bytes", p.name, where, maxPassword)
	}
	return password, nil
}
