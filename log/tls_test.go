package log

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
)

// TestTLS produces and consumes with TLS, and a megabyte of it in one fetch: a
// response that leaves in pieces must come out as one.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	n := openNode(t, vfs.NewMem())
	addr := serveOn(t, n, ListenerOptions{TLS: a.server()})
	cl := client(t, addr, kgo.DialTLSConfig(a.trusting()), kgo.ConsumeTopics("clicks"), kgo.AllowAutoTopicCreation())
	values := make([]string, 20)
	for i := range values {
		values[i] = strings.Repeat(string(rune('a'+i)), 50_000)
	}
	produce(t, cl, "clicks", values...)
	for got := 0; got < len(values); {
		fetches := cl.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if string(r.Value) != values[got] {
				t.Fatalf("record %d begins with %.10s", got, r.Value)
			}
			got++
		}
	}
	for _, l := range n.meta.Image().Broker(1).Listeners {
		if _, port, _ := net.SplitHostPort(addr); l.Name == "SSL" && l.Protocol == "SSL" && port != "" && l.Port > 0 {
			return
		}
	}
	t.Errorf("registered are %v", n.meta.Image().Broker(1).Listeners)
}

// TestTLSRefusals: who is refused learns it, and whoever runs the node why.
func TestTLSRefusals(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	seen := newLogged()
	n := openNode(t, vfs.NewMem(), func(o *Options) { o.Logger = seen.logger() })
	open, mutual := serveOn(t, n, ListenerOptions{TLS: a.server()}), serveOn(t, n, ListenerOptions{TLS: a.mutual(CertificatesRequire)})
	plain := serve(t, n)
	expired := stranger.issue("expired", pkix.Name{CommonName: "late"}, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })

	for name, c := range map[string]struct {
		addr   string
		config *tls.Config
		logs   string
	}{
		"a client that does not know the authority": {open, stranger.trusting(), "does not accept this node's certificate"},
		"no certificate":                     {mutual, a.trusting(), "client didn't provide a certificate"},
		"a certificate of another authority": {mutual, a.trusting(stranger.issue("x", pkix.Name{CommonName: "x"})), "unknown authority"},
		"an expired certificate":             {mutual, a.trusting(expired), "TLS handshake"},
		"an old version":                     {open, &tls.Config{RootCAs: a.trusting().RootCAs, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, "unsupported versions"},
		"TLS on a listener without":          {plain, a.trusting(), "speaks TLS, which this listener does not"},
	} {
		cl := client(t, c.addr, kgo.DialTLSConfig(c.config))
		if err := cl.Ping(within(t)); err == nil {
			t.Errorf("%s: let in", name)
		}
		seen.until(t, "connection closed", c.logs, "127.0.0.1")
	}
	w := dial(t, open)
	w.send(0, kmsg.NewPtrApiVersionsRequest())
	seen.until(t, "does not speak TLS, which this listener demands")
	w = dial(t, plain)
	if _, err := w.Write([]byte("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	w.closed()
	seen.until(t, "HTTP")
}

// TestCertificatesAreUsers: rights are those of whom the certificate names.
func TestCertificatesAreUsers(t *testing.T) {
	a := newAuthority(t)
	n := openNode(t, vfs.NewMem(), func(o *Options) {
		o.Authorize, o.SuperUsers = true, []string{"User:CN=anna,OU=Shop,O=Acme\\, Inc.", "User:anna"}
	})
	whole := serveOn(t, n, ListenerOptions{TLS: a.mutual(CertificatesRequire), Name: "whole"})
	short := a.mutual(CertificatesRequest)
	short.PrincipalRules = `RULE:^CN=(.*?),.*$/$1/L`
	mapped := serveOn(t, n, ListenerOptions{TLS: short, Name: "mapped"})
	anna := a.issue("anna", pkix.Name{CommonName: "anna", OrganizationalUnit: []string{"Shop"}, Organization: []string{"Acme, Inc."}})
	loud := a.issue("loud", pkix.Name{CommonName: "ANNA", Organization: []string{"x"}})
	alone := a.issue("alone", pkix.Name{CommonName: "alone"})

	create := func(addr, topic string, own ...tls.Certificate) error {
		cl := client(t, addr, kgo.DialTLSConfig(a.trusting(own...)))
		_, err := kadm.NewClient(cl).CreateTopic(within(t), 1, -1, nil, topic)
		return err
	}
	if err := errors.Join(create(whole, "a", anna), create(mapped, "b", anna), create(mapped, "c", loud)); err != nil {
		t.Error(err)
	}
	if create(whole, "d", loud) == nil {
		t.Error("another name has the rights too")
	}
	if create(mapped, "e") == nil {
		t.Error("without a certificate everything is allowed")
	}
	if err := client(t, mapped, kgo.DialTLSConfig(a.trusting(alone))).Ping(within(t)); err == nil {
		t.Error("a name that no rule fits is let in")
	}
}

// TestCertificatesAreReplaced under load: connections come and go while the node's
// certificate changes, none fails, and in the end it is the new one that they see.
func TestCertificatesAreReplaced(t *testing.T) {
	a := newAuthority(t)
	n := openNode(t, vfs.NewMem())
	addr := serveOn(t, n, ListenerOptions{TLS: a.server()})
	serial := func() (int64, error) {
		nc, err := tls.Dial("tcp", addr, a.trusting())
		if err != nil {
			return 0, err
		}
		defer nc.Close()
		return nc.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	before, err := serial()
	if err != nil {
		t.Fatal(err)
	}
	a.server()
	ctx := within(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for now := before; now == before; {
				if now, err := serial(); err != nil {
					t.Error(err)
					return
				} else if now != before {
					return
				}
				if ctx.Err() != nil {
					t.Error("the new certificate is never served")
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestHandshakesEnd: who connects and says nothing, or nothing to the point, does not
// stay.
func TestHandshakesEnd(t *testing.T) {
	a := newAuthority(t)
	n := openNode(t, vfs.NewMem(), func(o *Options) { o.arrival = 50 * time.Millisecond })
	for _, o := range []ListenerOptions{{TLS: a.server()}, {SASL: &SASLOptions{}}} {
		addr := serveOn(t, n, o)
		dial(t, addr).closed()
		half := dial(t, addr)
		if _, err := half.Write([]byte{0x16, 0x03, 0x01}); err != nil {
			t.Fatal(err)
		}
		half.closed()
	}
}
