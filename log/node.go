// Package log is the face of Millrace's log: a partitioned, durable log of record
// batches that any Kafka client can use, in one process.
//
//	node, err := log.Open(ctx, log.Options{DataDir: "data"})
//	defer node.Close(ctx)
//	go node.Serve(ctx, "localhost:9092")                     // clients of the network
//	session := node.Session(log.SessionOptions{ClientID: "me"}) // and of this process
//
// A Node is one broker. Its metadata is a raft group, from the first start on; a
// single node is a cluster of one. What goes on inside is in log/internal; nothing
// above the log imports anything of it, nor this package, but for the program that
// wires them.
package log

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/millrace/millrace/log/internal/txn"
)

var (
	// ErrClosed is what requests get from a node that is closed or closing.
	ErrClosed = broker.ErrClosed
	// ErrFailed is what Close returns of a node whose disk, or metadata, had failed in its
	// life: what Options.Fatal was told is in the error. What was acknowledged is as safe
	// as the sync policy makes it; what was not is in doubt. Only another process may open
	// the directory, after somebody has looked at the disk.
	ErrFailed = errors.New("node has failed")
	// ErrMetadataDamaged is Open's refusal of metadata that is not what was written. Nothing
	// of it was changed; Verify says what else is damaged.
	ErrMetadataDamaged = meta.ErrCorrupt
)

// Node is an open node: a broker, the coordinators and a voter of the metadata
// quorum over one data directory. It may be used concurrently.
//
// Nothing in a node ends the process. When the disk fails it stops acknowledging
// and calls Options.Fatal; what then happens is its owner's decision.
type Node struct {
	opts     Options
	disk     *storage.Disk
	meta     *meta.Meta
	driver   *core.Driver
	replicas *replica.Manager
	groups   *group.Coordinator
	txns     *txn.Coordinator
	broker   *broker.Broker

	failure    chan error            // gets the first failure of the disk, once
	failed     atomic.Pointer[error] // that failure
	follow     sync.WaitGroup        // the goroutines that follow the metadata and the failure
	stopFollow context.CancelFunc
	reached    atomic.Pointer[net.TCPAddr] // of the first listener
	lost       atomic.Pointer[string]      // address of a listener that has failed
	closing    atomic.Bool
	announcing chan struct{} // has an element while a listener is registered
	closeOnce  sync.Once
	closeErr   error
}

// NodeID is this node's id in the cluster.
func (n *Node) NodeID() int32 { return n.opts.NodeID }

// ClusterID is the id of the cluster, as Kafka's tools print it.
func (n *Node) ClusterID() string { return n.meta.Image().ClusterID().String() }

// Close ends the node in order and leaves the mark of a clean shutdown, so that the
// next start need not read what it has. Requests under way get their answers if
// they come before ctx ends; afterwards every call fails with ErrClosed. It may be
// called more than once, with the same result, and after an Open that failed half way.
// A node that has failed is taken down as far as that goes, and Close returns ErrFailed.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Store(true)
	n.closeOnce.Do(func() { n.closeErr = n.close(ctx) })
	return n.closeErr
}

// close takes down in the reverse order of open. Each step needs what is below it:
//
//  1. The broker takes no connection and no request any more, answers what it has
//     read, and cuts who is left when ctx ends.
//  2. Nobody tells the coordinators of new leadership.
//  3. The transaction coordinator writes no more markers, the groups no offsets.
//  4. The driver of their cores stops.
//  5. The partitions sync and close.
//  6. The metadata log closes.
//  7. The disk gets its mark, that of a clean shutdown only if its partitions were
//     opened, and the directory is free for another process.
func (n *Node) close(ctx context.Context) error {
	var errs []error
	if n.broker != nil {
		n.broker.Drain(ctx)
	}
	if n.stopFollow != nil {
		n.stopFollow()
		n.follow.Wait()
	}
	if n.driver != nil {
		n.txns.Close()
		n.groups.Close()
		n.driver.Close()
	}
	brokerEpoch := int64(-1)
	if n.replicas != nil {
		brokerEpoch = n.replicas.Broker().Epoch
		errs = append(errs, n.replicas.Close(ctx))
	}
	if n.meta != nil {
		errs = append(errs, n.meta.Close())
	}
	switch {
	case n.disk == nil:
	case n.replicas == nil: // its partitions are as they were found
		errs = append(errs, n.disk.CloseUnused())
	default:
		errs = append(errs, n.disk.Close(brokerEpoch))
	}
	if cause := n.failed.Load(); cause != nil {
		// What the rooms say of it now, partition by partition, is what it has led to.
		return fmt.Errorf("close node: %w: %w", ErrFailed, *cause)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close node: %w", err)
	}
	return nil
}
