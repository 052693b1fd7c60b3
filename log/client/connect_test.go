package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestConnect tells apart why a broker is of no use, each of which a person mends in
// another way. A wrong password is not among them: kfake hangs up on it, where brokers
// say what is wrong.
func TestConnect(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "anna", "correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	closing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closing.Close() })
	go func() { // takes connections and ends them at the first byte
		for {
			nc, err := closing.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(nc, make([]byte, 4))
			_ = nc.Close()
		}
	}()
	anna := Security{User: "anna", Password: "correct horse", Mechanism: "scram-sha-256"}
	for name, c := range map[string]struct {
		seeds    []string
		security Security
		want     error
	}{
		"right":           {fake.ListenAddrs(), anna, nil},
		"hangs up":        {[]string{closing.Addr().String()}, Security{}, ErrHungUpOnPlaintext},
		"hangs up on TLS": {[]string{closing.Addr().String()}, Security{TLS: &tls.Config{}}, ErrHungUpOnTLS},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		conn, err := Connect(ctx, ConnectOptions{Seeds: c.seeds, Security: c.security})
		if !errors.Is(err, c.want) || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if _, err := conn.Admin().ListTopics(ctx); err != nil {
				t.Errorf("%s: admin: %v", name, err)
			}
			conn.Close()
			conn.Close()
		}
		cancel()
	}
}

func TestSecurityIsComplete(t *testing.T) {
	for want, s := range map[string]Security{
		"no password":  {User: "anna"},
		"no user":      {Password: "x"},
		"but no user":  {Mechanism: "PLAIN"},
		"not known":    {User: "anna", Password: "x", Mechanism: "GSSAPI"},
		"":             {User: "anna", Password: "x"},
		"one of PLAIN": {User: "anna", Password: "x", Mechanism: "LOGIN"},
	} {
		_, err := s.options()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
