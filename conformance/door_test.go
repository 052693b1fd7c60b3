package conformance

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// door passes connections on to a node, as a load balancer does. While the node is
// down the door takes connections and keeps them waiting; those that were through
// when the node went are cut.
type door struct {
	front   net.Listener
	ctx     context.Context // of the test: connections wait no longer than it lasts
	passing sync.WaitGroup
}

// openDoor binds the door's address; the test's end closes the door.
func openDoor(t *testing.T) *door {
	t.Helper()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{front: front, ctx: t.Context()}
	t.Cleanup(func() {
		_ = front.Close()
		d.passing.Wait()
	})
	return d
}

func (d *door) addr() string { return d.front.Addr().String() }

// leadTo serves the door's clients with the node at addr.
func (d *door) leadTo(addr string) {
	d.passing.Go(func() {
		for {
			client, err := d.front.Accept()
			if err != nil {
				return
			}
			d.passing.Go(func() { d.pass(client, addr) })
		}
	})
}

// pass copies both ways until one side ends.
func (d *door) pass(client net.Conn, addr string) {
	defer client.Close()
	node := d.dial(addr)
	if node == nil {
		return
	}
	defer node.Close()
	defer context.AfterFunc(d.ctx, func() { _ = client.Close(); _ = node.Close() })()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, node)
		_ = client.Close()
	})
	_, _ = io.Copy(node, client)
	_ = node.Close()
	back.Wait()
}

// dial tries until the node is there or the test is over.
func (d *door) dial(addr string) net.Conn {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if c, err := net.Dial("tcp", addr); err == nil {
			return c
		}
		select {
		case <-d.ctx.Done():
			return nil
		case <-again.C:
		}
	}
}
