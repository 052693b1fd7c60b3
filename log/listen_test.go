package log

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
)

func TestListenRefusesATakenPort(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	l, err := n.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = n.Listen(l.Addr())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), l.Addr()) || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("%v", err)
	}
}

// Without encryption and authentication a node must not be reachable by accident.
func TestListenRefusesAddressesThatOthersReach(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:9092"} {
		if _, err := n.Listen(addr); !errors.Is(err, ErrInsecure) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if _, err := n.Listen("no port"); err == nil {
		t.Error("an address without a port")
	}
	open := openNode(t, vfs.NewMem(), func(o *Options) { o.Insecure = true })
	l, err := open.Listen("0.0.0.0:0")
	if err != nil {
		t.Fatalf("with Insecure: %v", err)
	}
	l.Close()
}

// librdkafka takes whichever address of localhost it finds first.
func TestLocalhostIsBothFamilies(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	l, err := n.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(context.Background()) }()
	_, port, _ := net.SplitHostPort(l.Addr())
	for _, host := range []string{"127.0.0.1", "::1"} {
		if host == "::1" && len(l.listeners) == 1 {
			t.Skip("this machine has no IPv6")
		}
		w := dial(t, net.JoinHostPort(host, port))
		req := kmsg.NewPtrMetadataRequest()
		resp := ask[*kmsg.MetadataResponse](w, 9, req)
		// Clients are sent back to the address that they came to.
		if got := resp.Brokers[0].Host; got != host {
			t.Errorf("reached at %s, told %s", host, got)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestAdvertisedAddress(t *testing.T) {
	_, addr := newNode(t, func(o *Options) { o.Advertised = "kafka.example.org:19092" })
	resp := ask[*kmsg.MetadataResponse](dial(t, addr), 9, kmsg.NewPtrMetadataRequest())
	if b := resp.Brokers[0]; b.Host != "kafka.example.org" || b.Port != 19092 {
		t.Fatalf("told %s:%d", b.Host, b.Port)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	n := openNode(t, vfs.NewMem())
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx, "127.0.0.1:0") }()
	cancel()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	if err := n.Serve(context.Background(), "nonsense"); err == nil {
		t.Fatal("an address that is none was served")
	}
}
