package broker

import (
	"errors"
	"net"
	"time"

	"github.com/millrace/millrace/log/internal/quota"
)

// Why a connection is closed before it is served.
var (
	errTooManyConnections = errors.New("too many connections")
	errTooManyOfAddress   = errors.New("too many connections of this address")
	errTooOften           = errors.New("the address makes more connections than its quota connection_creation_rate allows")
)

// admit serves a connection on a goroutine of its own, or closes it when there are
// too many.
func (b *Broker) admit(nc net.Conn, how *Listener) {
	caller := Caller{
		Principal: anonymous,
		Host:      host(nc.RemoteAddr()),
		Listener:  how.Name,
		Reached:   how.reached(nc),
	}
	counts := b.stats.listener(how.Name)
	if !b.connections.enter(b.opts.Limits.Connections) {
		_ = nc.Close()
		counts.tooMany.Add(1)
		b.report(&caller, errTooManyConnections)
		return
	}
	if !b.addresses.enter(caller.Host, b.opts.Limits.perAddress(caller.Host)) {
		_ = nc.Close()
		b.connections.leave()
		counts.tooManyOfAddress.Add(1)
		b.report(&caller, errTooManyOfAddress)
		return
	}
	go func() {
		defer b.connections.leave()
		defer b.addresses.leave(caller.Host)
		if wait := b.quotas.Admit(b.image().Quotas(), quota.ConnectionCreationRate, caller.client(), 1); wait > 0 {
			counts.tooOften.Add(1)
			b.report(&caller, errTooOften)
			b.keepOut(nc, wait)
			return
		}
		counts.accepted.Add(1)
		counts.open.Add(1)
		defer counts.open.Add(-1)
		b.serveConn(nc, caller, how)
	}()
}

// keepOut closes a connection after a while without reading it (KIP-612): a client
// that connects in a loop is slowed down, and a connection that was closed at once
// would only have it come back sooner.
func (b *Broker) keepOut(nc net.Conn, wait time.Duration) {
	sleep(wait, b.open.Done(), b.flushing.Done())
	_ = nc.Close()
}
