package cli

import (
	"reflect"
	"strings"
	"testing"
	"time"

	millog "github.com/millrace/millrace/log"
)

func TestListenersAreParsed(t *testing.T) {
	l := listenFlags{pair: keyPair{"c.pem", "c.key"}, clientCA: "ca.pem", principalRules: "DEFAULT", session: time.Hour, listen: []string{
		"127.0.0.1:9092", "ssl://:9093", "SASL_SSL://0.0.0.0:9094?advertise=log.example.com:19094&name=outside&mechanisms=SCRAM-SHA-256,PLAIN",
		"sasl_ssl://h:1?client-cert=request", "sasl_plaintext://[::1]:2", "ssl://h:3?client-cert=none",
	}}
	got, err := l.options()
	if err != nil {
		t.Fatal(err)
	}
	certificates := func(policy millog.ClientCertificates, ca string) *millog.TLSOptions {
		return &millog.TLSOptions{CertFile: "c.pem", KeyFile: "c.key", PrincipalRules: "DEFAULT", ClientCertificates: policy, ClientCAFile: ca}
	}
	want := []millog.ListenerOptions{
		{Address: "127.0.0.1:9092"},
		{Address: ":9093", TLS: certificates("require", "ca.pem")},
		{Address: "0.0.0.0:9094", Advertised: "log.example.com:19094", Name: "outside", TLS: certificates("", ""),
			SASL: &millog.SASLOptions{Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}, Session: time.Hour}},
		{Address: "h:1", TLS: certificates("request", "ca.pem"), SASL: &millog.SASLOptions{Session: time.Hour}},
		{Address: "[::1]:2", SASL: &millog.SASLOptions{Session: time.Hour}},
		{Address: "h:3", TLS: certificates("none", "")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if none, err := (&listenFlags{listen: []string{"none"}}).options(); len(none) != 0 || err != nil {
		t.Errorf("none: %v, %v", none, err)
	}
}

// TestListenersReportEveryFault: a person who sets up security by trial meets each
// fault once.
func TestListenersReportEveryFault(t *testing.T) {
	l := listenFlags{listen: []string{
		"https://h:1", "h", "ssl://h:2", "h:3?advertise=x", "h:4?client-cert=require", "h:5?mechanisms=PLAIN", "h:6?colour=red&name=a&name=b",
		"sasl_plaintext://h:7?mechanisms=GSSAPI", "none",
	}, advertise: "a:1"}
	_, err := l.options()
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{`no protocol "https"`, `"h"`, "TLS needs a certificate", "cert init", `"x" is not host:port`, "client-cert needs TLS",
		"mechanisms need SASL", `no setting "colour"`, "name is given twice", "GSSAPI", `"none"`, "--advertise is for a single"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %s in:\n%v", want, err)
		}
	}
}

func TestListenersUseEveryFlag(t *testing.T) {
	for want, l := range map[string]listenFlags{
		"no --listen has TLS":            {listen: []string{"h:1"}, pair: keyPair{"a", "b"}},
		"asks clients for certificates":  {listen: []string{"sasl_ssl://h:1"}, pair: keyPair{"a", "b"}, clientCA: "c"},
		"no --listen has SASL":           {listen: []string{"h:1"}, session: time.Minute},
		"an authentication cannot hold":  {listen: []string{"sasl_plaintext://h:1"}, session: time.Millisecond},
		"name the authorities":           {listen: []string{"ssl://h:1?client-cert=require"}, pair: keyPair{"a", "b"}},
		`"perhaps"`:                      {listen: []string{"ssl://h:1?client-cert=perhaps"}, pair: keyPair{"a", "b"}},
		"principal mapping rule":         {listen: []string{"ssl://h:1"}, pair: keyPair{"a", "b"}, principalRules: "RULE:("},
		"--advertise: listener h:1: adv": {listen: []string{"h:1"}, advertise: "x"},
	} {
		if _, err := l.options(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
