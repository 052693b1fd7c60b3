package cli

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	millog "github.com/millrace/millrace/log"
)

// listenFlags say where a node listens, and for whom.
type listenFlags struct {
	listen         []string
	advertise      string
	pair           keyPair
	clientCA       string
	principalRules string
	session        time.Duration
}

func (l *listenFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&l.listen, "listen", []string{defaultListen},
		"where Kafka clients connect: [PROTOCOL://]HOST:PORT[?SETTING=VALUE&...] with PROTOCOL one of plaintext, ssl, "+
			"sasl_plaintext, sasl_ssl, and settings advertise=HOST:PORT, client-cert=none, request or require, "+
			"mechanisms=A,B and name=NAME; repeatable; none for nowhere")
	f.StringVar(&l.advertise, "advertise", "", "host:port that clients are told, of a single --listen (default: the one they came to)")
	shownTo := "clients of TLS listeners"
	if f.Lookup("brokers") != nil {
		shownTo += ", or to --brokers"
	}
	l.pair.flags(c, shownTo)
	f.StringVar(&l.clientCA, "tls-client-ca", "", "PEM file with the authorities that sign certificates of clients; ssl listeners then require one")
	f.StringVar(&l.principalRules, "principal-rules", "", "what user a client's certificate is, as Kafka's ssl.principal.mapping.rules (default: its whole name)")
	f.DurationVar(&l.session, "sasl-session", 0, "how long an authentication holds until the client must renew it (default: as long as the connection)")
}

// options are the listeners, none for --listen none. The error has every fault.
func (l *listenFlags) options() ([]millog.ListenerOptions, error) {
	if slices.Equal(l.listen, []string{"none"}) {
		return nil, nil
	}
	var all []millog.ListenerOptions
	var faults []error
	for _, text := range l.listen {
		o, err := l.parse(text)
		if err == nil {
			err = o.Validate()
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("--listen %q: %w", text, err))
			continue
		}
		all = append(all, o)
	}
	if l.advertise != "" {
		if len(l.listen) > 1 {
			faults = append(faults, errors.New("--advertise is for a single --listen: write ?advertise=HOST:PORT behind each"))
		} else if len(all) == 1 {
			all[0].Advertised = l.advertise
			if err := all[0].Validate(); err != nil {
				faults = append(faults, fmt.Errorf("--advertise: %w", err))
			}
		}
	}
	if err := errors.Join(append(faults, l.unused(all, len(faults) > 0)...)...); err != nil {
		return nil, usageError{err}
	}
	return all, nil
}

// unused are faults of flags that no listener has a use for: whoever gave them
// believes that they have an effect.
func (l *listenFlags) unused(all []millog.ListenerOptions, incomplete bool) []error {
	if incomplete {
		return nil
	}
	var faults []error
	has := func(f func(o millog.ListenerOptions) bool) bool { return slices.ContainsFunc(all, f) }
	if l.pair != (keyPair{}) && !has(func(o millog.ListenerOptions) bool { return o.TLS != nil }) {
		faults = append(faults, errors.New("--tls-cert and --tls-key are given, but no --listen has TLS: write ssl:// or sasl_ssl://"))
	}
	if l.clientCA != "" && !has(func(o millog.ListenerOptions) bool { return o.TLS != nil && o.TLS.ClientCAFile != "" }) {
		faults = append(faults, errors.New("--tls-client-ca is given, but no --listen asks clients for certificates: write ssl://, or ?client-cert=require"))
	}
	if l.session != 0 && !has(func(o millog.ListenerOptions) bool { return o.SASL != nil }) {
		faults = append(faults, errors.New("--sasl-session is given, but no --listen has SASL: write sasl_ssl://"))
	}
	return faults
}

// parse reads one --listen.
func (l *listenFlags) parse(text string) (millog.ListenerOptions, error) {
	protocol, rest, ok := strings.Cut(text, "://")
	if !ok {
		protocol, rest = "plaintext", text
	}
	address, query, _ := strings.Cut(rest, "?")
	o := millog.ListenerOptions{Address: address}
	switch strings.ToLower(protocol) {
	case "plaintext":
	case "ssl":
		o.TLS = &millog.TLSOptions{}
	case "sasl_plaintext":
		o.SASL = &millog.SASLOptions{}
	case "sasl_ssl":
		o.TLS, o.SASL = &millog.TLSOptions{}, &millog.SASLOptions{}
	default:
		return o, fmt.Errorf("there is no protocol %q: use plaintext, ssl, sasl_plaintext or sasl_ssl", protocol)
	}
	if o.SASL != nil {
		o.SASL.Session = l.session
	}
	if o.TLS != nil {
		o.TLS.CertFile, o.TLS.KeyFile, o.TLS.PrincipalRules = l.pair.cert, l.pair.key, l.principalRules
		if l.clientCA != "" && o.SASL == nil {
			o.TLS.ClientCertificates = millog.CertificatesRequire
		}
	}
	if err := setListener(&o, query); err != nil {
		return o, err
	}
	if t := o.TLS; t != nil && t.ClientCertificates != "" && t.ClientCertificates != millog.CertificatesNone {
		t.ClientCAFile = l.clientCA
	}
	return o, nil
}

// setListener reads what stands behind the question mark.
func setListener(o *millog.ListenerOptions, query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("behind the question mark: %w", err)
	}
	var faults []error
	for key, given := range values {
		value := given[len(given)-1]
		switch {
		case len(given) > 1:
			faults = append(faults, fmt.Errorf("%s is given twice", key))
		case key == "name":
			o.Name = value
		case key == "advertise":
			o.Advertised = value
		case key == "client-cert" && o.TLS != nil:
			o.TLS.ClientCertificates = millog.ClientCertificates(value)
		case key == "client-cert":
			faults = append(faults, errors.New("client-cert needs TLS: write ssl:// or sasl_ssl://"))
		case key == "mechanisms" && o.SASL != nil:
			o.SASL.Mechanisms = strings.Split(value, ",")
		case key == "mechanisms":
			faults = append(faults, errors.New("mechanisms need SASL: write sasl_ssl://"))
		default:
			faults = append(faults, fmt.Errorf("there is no setting %q: use advertise, client-cert, mechanisms or name", key))
		}
	}
	return errors.Join(faults...)
}
