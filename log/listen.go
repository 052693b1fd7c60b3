package log

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/internal/meta"
)

// Listener is a bound address, or two where a name stands for two.
type Listener struct {
	node      *Node
	how       *broker.Listener
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

// Listen is ListenOn with plaintext for anybody.
func (n *Node) Listen(addr string) (*Listener, error) {
	return n.ListenOn(ListenerOptions{Address: addr, Advertised: n.opts.Advertised})
}

// ListenOn binds an address and registers the listener in the metadata.
//
// Addresses that other machines can reach are refused, with an error that wraps
// ErrInsecure, unless connections are encrypted and authenticated or Options.Insecure
// is set. An address that is taken fails with an error that wraps
// syscall.EADDRINUSE.
func (n *Node) ListenOn(o ListenerOptions) (*Listener, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	how, err := o.serving(n.opts.Logger)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Address, err)
	}
	l := &Listener{node: n, how: how}
	if err := l.bind(&o); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := n.announce(l.registration(&o)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: register the listener: %w", o.Address, err), l.Close())
	}
	n.reached.CompareAndSwap(nil, l.listeners[0].Addr().(*net.TCPAddr))
	if o.SASL != nil && !n.hasUsers() {
		n.opts.Logger.Warn("nobody can authenticate yet, because there is no user: start with --first-user, or make one over a listener without SASL (millrace user create)",
			"listener", how.Name, "address", l.Addr())
	}
	return l, nil
}

// bind binds the addresses that the listener's stands for.
func (l *Listener) bind(o *ListenerOptions) error {
	host, port, _ := net.SplitHostPort(o.Address) // validated
	hosts := []string{host}
	if host == "localhost" {
		hosts = []string{"127.0.0.1", "::1"}
	}
	for i, h := range hosts {
		if err := l.node.mayListen(h, o); err != nil {
			return err
		}
		nl, err := net.Listen("tcp", net.JoinHostPort(h, port))
		if err != nil {
			if i > 0 && errors.Is(err, syscall.EADDRNOTAVAIL) {
				continue // a machine without IPv6
			}
			return listenError(o.Address, err)
		}
		l.listeners = append(l.listeners, nl)
		port = strconv.Itoa(nl.Addr().(*net.TCPAddr).Port) // the same for both
	}
	return nil
}

// mayListen refuses what other machines could connect to and should not.
func (n *Node) mayListen(host string, o *ListenerOptions) error {
	why := o.exposed()
	if n.opts.Insecure || why == "" {
		return nil
	}
	ips := []net.IP{net.ParseIP(host)}
	if ips[0] == nil {
		var err error
		if host == "" {
			ips[0] = net.IPv4zero
		} else if ips, err = net.LookupIP(host); err != nil {
			return fmt.Errorf("listen on %s: %w", o.Address, err)
		}
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return fmt.Errorf("listen on %s: other machines can reach it, %s: %w", o.Address, why, ErrInsecure)
		}
	}
	return nil
}

// ErrInsecure refuses a listener that other machines can reach, and that is not both
// encrypted and authenticated.
var ErrInsecure = errors.New("listen on localhost, with TLS and authentication, or say that it is meant (--insecure, Options.Insecure)")

// registration is what the metadata says of the listener.
func (l *Listener) registration(o *ListenerOptions) meta.Listener {
	r := meta.Listener{Name: l.how.Name, Protocol: o.Protocol(), Host: l.how.Advertised.Host, Port: l.how.Advertised.Port}
	if r.Host != "" {
		return r
	}
	at := l.listeners[0].Addr().(*net.TCPAddr)
	r.Host, r.Port = at.IP.String(), int32(at.Port)
	if at.IP.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			r.Host = name
		}
	}
	return r
}

// announce adds a listener to this node's registration, or replaces the one of its
// name. Broker epoch and incarnation stay: it is the same life of the same process.
func (n *Node) announce(l meta.Listener) error {
	n.announcing <- struct{}{}
	defer func() { <-n.announcing }()
	self := *n.meta.Image().Broker(n.opts.NodeID)
	self.Listeners = slices.DeleteFunc(slices.Clone(self.Listeners), func(old meta.Listener) bool { return old.Name == l.Name })
	self.Listeners = append(self.Listeners, l)
	return n.meta.Propose(context.Background(), &self)
}

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
		go func() { ended <- l.node.broker.Serve(nl, l.how) }()
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

// Close stops accepting. It may be called more than once.
func (l *Listener) Close() error {
	var errs []error
	for _, nl := range l.listeners {
		if err := nl.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("close listener %s: %w", nl.Addr(), err))
		}
	}
	return errors.Join(errs...)
}
