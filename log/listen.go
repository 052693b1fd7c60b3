package log

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Listener is a bound address, or two where a name stands for two.
type Listener struct {
	node      *Node
	listeners []net.Listener
}

// Serve listens on addr and serves Kafka clients there until ctx ends or the node
// is closed; then it returns nil. It may be called for several addresses. To know
// the address before serving, use Listen.
func (n *Node) Serve(ctx context.Context, addr string) error {
	l, err := n.Listen(addr)
	if err != nil {
		return err
	}
	return l.Serve(ctx)
}

// Listen binds addr, host:port, where port 0 means any free one. "localhost" means
// its IPv4 and its IPv6 address, because clients resolve it to either.
//
// Addresses that other machines can reach are refused unless Options.Insecure is
// set. An address that is taken fails with an error that wraps
// syscall.EADDRINUSE.
func (n *Node) Listen(addr string) (*Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen address %q is not host:port: %w", addr, err)
	}
	hosts := []string{host}
	if host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	}
	l := &Listener{node: n}
	for i, h := range hosts {
		if err := n.allowed(h, addr); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		nl, err := net.Listen("tcp", net.JoinHostPort(h, port))
		if err != nil {
			if i > 0 && errors.Is(err, syscall.EADDRNOTAVAIL) {
				continue // a machine without IPv6
			}
			return nil, errors.Join(listenError(addr, err), l.Close())
		}
		l.listeners = append(l.listeners, nl)
		port = strconv.Itoa(nl.Addr().(*net.TCPAddr).Port) // the same for both
	}
	n.reached.CompareAndSwap(nil, l.listeners[0].Addr().(*net.TCPAddr))
	return l, nil
}

// allowed refuses what other machines could connect to.
func (n *Node) allowed(host, addr string) error {
	if n.opts.Insecure {
		return nil
	}
	ips := []net.IP{net.ParseIP(host)}
	if ips[0] == nil {
		var err error
		if host == "" {
			ips[0] = net.IPv4zero
		} else if ips, err = net.LookupIP(host); err != nil {
			return fmt.Errorf("listen on %s: %w", addr, err)
		}
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return fmt.Errorf("listen on %s: %w", addr, ErrInsecure)
		}
	}
	return nil
}

// ErrInsecure refuses a listener that other machines can reach.
var ErrInsecure = errors.New("other machines can reach this address, and connections are neither encrypted nor authenticated: " +
	"listen on localhost, or say that it is meant (--insecure, Options.Insecure)")

// listenError says which address is taken and what can be done.
func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: the port is in use: stop the process that has it, or choose another port: %w", addr, syscall.EADDRINUSE)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: this user may not use the port: choose one above 1023: %w", addr, syscall.EACCES)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// Addr is the address that clients on this machine connect to.
func (l *Listener) Addr() string { return l.listeners[0].Addr().String() }

// Serve serves clients until ctx ends or the node or the listener is closed; then
// it returns nil. Connections that are open then stay open until the node closes.
func (l *Listener) Serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	ended := make(chan error)
	for _, nl := range l.listeners {
		go func() { ended <- l.node.broker.Serve(nl, listenerName) }()
	}
	var errs []error
	for range l.listeners {
		if err := <-ended; err != nil {
			l.node.lost.Store(new(l.Addr()))
			errs = append(errs, fmt.Errorf("serve %s: %w", l.Addr(), err), l.Close())
		}
	}
	return errors.Join(errs...)
}

// listenerName is Kafka's for a listener without encryption.
const listenerName = "PLAINTEXT"

// Close stops accepting. It may be called more than once.
func (l *Listener) Close() error {
	for _, nl := range l.listeners {
		if err := nl.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("close listener %s: %w", nl.Addr(), err)
		}
	}
	return nil
}
