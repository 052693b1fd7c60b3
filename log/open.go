package log

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"sync"

	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
	"github.com/millrace/millrace/log/internal/storage"
	"github.com/millrace/millrace/log/internal/txn"
)

// metadataDir is where the metadata log lives in the data directory.
const metadataDir = "metadata"

// Open takes hold of the data directory, which it makes if it is missing, recovers
// what is in it and returns a node that is ready for Sessions; it listens nowhere
// until Listen or Serve. ctx bounds the opening alone.
//
// It refuses, in one sentence each, a directory that another process holds, that is
// of a newer format or of another cluster or node, or that holds what nobody knows;
// and metadata that is damaged, which is ErrMetadataDamaged.
func Open(ctx context.Context, opts Options) (*Node, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("log options: %w", err)
	}
	given := opts.NodeID
	opts.setDefaults()
	n := &Node{opts: opts, failure: make(chan error, 1), announcing: make(chan struct{}, 1)}
	if err := n.open(ctx, given); err != nil {
		closeErr := n.Close(ctx)
		if errors.Is(closeErr, ErrFailed) { // which is why it is not open, in other words
			closeErr = nil
		}
		return nil, errors.Join(err, closeErr)
	}
	return n, nil
}

// open brings up the rooms of the log from the bottom. Close takes down whatever
// of them is there.
func (n *Node) open(ctx context.Context, nodeID int32) error {
	fatal := n.fatalOnce()
	policy, err := storage.ParseSyncPolicy(string(n.opts.Sync))
	if err != nil {
		return err
	}
	journal, err := storage.ParseJournalMode(string(n.opts.Journal))
	if err != nil {
		return err
	}
	n.disk, err = storage.Open(storage.Options{
		FS: n.opts.FS, Dir: n.opts.DataDir, NodeID: nodeID, Entries: []string{metadataDir},
		Policy: policy, SyncInterval: n.opts.SyncInterval, Journal: journal, JournalFileBytes: n.opts.journalFileBytes,
		CleanerBytesPerSecond: n.opts.CompactionBytesPerSecond, Fatal: fatal, Logger: n.opts.Logger,
	})
	if err != nil {
		return fmt.Errorf("open data directory %s: %w", n.opts.DataDir, err)
	}
	held, err := n.disk.Partitions()
	if err != nil {
		return fmt.Errorf("open data directory %s: %w", n.opts.DataDir, err)
	}
	identity := n.disk.Identity()
	n.opts.NodeID = identity.NodeID
	n.meta, err = meta.Open(ctx, meta.Options{
		FS: n.opts.FS, Dir: path.Join(n.opts.DataDir, metadataDir),
		ClusterID: identity.ClusterID, Directory: identity.DirectoryID, Used: len(held) > 0,
		DefaultPartitions: n.opts.DefaultPartitions, MaxPartitions: n.opts.MaxPartitions,
		Logger: n.opts.Logger, Fatal: fatal,
	})
	if err != nil {
		return fmt.Errorf("open metadata: %w", err)
	}
	n.replicas, err = replica.Open(ctx, replica.Options{
		Disk: n.disk, Meta: n.meta, NodeID: n.opts.NodeID, SyncPolicy: string(n.opts.Sync), Logger: n.opts.Logger,
	})
	if err != nil {
		return fmt.Errorf("open partitions: %w", err)
	}
	n.openCoordinators()
	if err := n.openBroker(); err != nil {
		return err
	}
	return n.followMetadata(ctx)
}

// fatalOnce passes on the first failure of the disk: to Options.Fatal, and to the
// goroutine that takes the partitions out of service, since the one that it is
// called on may be what they wait for.
func (n *Node) fatalOnce() func(error) {
	var once sync.Once
	return func(err error) {
		once.Do(func() {
			n.opts.Logger.Error("the node has failed: no write is acknowledged any more; end the process, see to the disk, start again", "error", err)
			n.failed.Store(&err)
			n.failure <- err
			if n.opts.Fatal != nil {
				n.opts.Fatal(err)
			}
		})
	}
}

func (n *Node) openCoordinators() {
	n.driver = core.NewDriver(core.DriverOptions{})
	topics := func() coord.Topics { return topicsView{n.meta.Image()} }
	groups := n.opts.Groups.config(n.opts.groups)
	groups.OffsetsRetention = n.opts.OffsetsRetention
	n.groups = group.NewCoordinator(group.Options{
		Partitions: meta.InternalPartitions, Driver: n.driver, Topics: topics, Config: groups, Logger: n.opts.Logger,
	})
	n.txns = txn.NewCoordinator(txn.Options{
		Partitions: meta.InternalPartitions, OffsetsPartitions: meta.InternalPartitions, Driver: n.driver,
		ProducerIDs: n.producerIDs, Markers: &markerWriter{n.replicas, n.groups}, Topics: topics,
		Config: n.opts.Transactions.config(), Logger: n.opts.Logger,
	})
}

// producerIDs gets a block of producer ids for this node.
func (n *Node) producerIDs(ctx context.Context) (first, count int64, err error) {
	ids, err := n.meta.AllocateProducerIDs(ctx, meta.AllocateProducerIDs{
		NodeID: n.opts.NodeID, BrokerEpoch: n.replicas.Broker().Epoch,
	})
	return ids.First, int64(ids.Count), err
}

func (n *Node) openBroker() error {
	authorizer, err := n.authorizer()
	if err != nil {
		return err
	}
	o := broker.Options{
		NodeID: n.opts.NodeID, Meta: n.meta, Replicas: n.replicas, Groups: n.groups, Transactions: n.txns,
		Logger: n.opts.Logger, Authorizer: authorizer, AutoCreate: !n.opts.NoAutoCreate, DefaultPartitions: n.opts.DefaultPartitions,
		Limits: n.limits(), Strict: n.opts.strict,
	}
	n.broker = broker.New(o)
	return nil
}

// limits are those of Options that are the broker's.
func (n *Node) limits() broker.Limits {
	l := broker.Limits{Arrival: n.opts.arrival, Idle: n.opts.MaxIdle,
		Connections: n.opts.MaxConnections, ConnectionsPerAddress: n.opts.MaxConnectionsPerAddress,
		ConnectionsOfAddress: map[string]int{}, Strangers: n.opts.MaxConnectionsUnauthenticated,
	}
	for ip, bound := range n.opts.MaxConnectionsOfAddress {
		l.ConnectionsOfAddress[netip.MustParseAddr(ip).Unmap().String()] = bound // validated
	}
	return l
}

// followMetadata tells the coordinators what they lead, now and from now on, and
// takes the partitions down when the disk fails.
func (n *Node) followMetadata(ctx context.Context) error {
	l := &leadership{
		node: n.opts.NodeID, meta: n.meta, replicas: n.replicas, groups: n.groups, logger: n.opts.Logger,
		topics: []coordinated{
			{coord.GroupTopic, n.groups, map[int32]int32{}},
			{coord.TransactionTopic, n.txns, map[int32]int32{}},
		},
	}
	if err := l.update(ctx); err != nil {
		return fmt.Errorf("open coordinators: %w", err)
	}
	following, stop := context.WithCancel(context.Background())
	n.stopFollow = stop
	n.follow.Go(func() { l.run(following) })
	n.follow.Go(func() {
		select {
		case err := <-n.failure:
			n.replicas.Fail(err)
		case <-following.Done():
		}
	})
	return nil
}

// endpoint is where clients of this process would reach the node from outside.
func (n *Node) endpoint() broker.Endpoint {
	if a := n.reached.Load(); a != nil {
		return broker.Endpoint{Host: a.IP.String(), Port: int32(a.Port)}
	}
	return broker.Endpoint{Host: "localhost"}
}
