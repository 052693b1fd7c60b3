package meta

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/millrace/millrace/log/internal/core"
)

// Open continues the metadata in o.Dir, or begins that of a new cluster, and
// returns when this member leads the quorum and the cluster has its id and feature
// level. It refuses metadata of another cluster or directory, of a newer program,
// and of a quorum with other voters, which this program cannot reach; and metadata
// that is damaged, with a *DamageError, before anything of it is changed.
func Open(ctx context.Context, o Options) (*Meta, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	log, err := openPebbleLog(o.FS, o.Dir, o.Used, o.Logger)
	if err != nil {
		return nil, err
	}
	m := &Meta{opts: o, watchers: map[chan struct{}]struct{}{}, fresh: log.Fresh()}
	if err := m.start(log); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := m.awaitCluster(ctx); err != nil {
		return nil, errors.Join(err, m.shut())
	}
	return m, nil
}

func (o *Options) setDefaults() error {
	if o.FS == nil || o.Dir == "" || o.ClusterID.IsZero() || o.Directory.RaftID() == 0 {
		return fmt.Errorf("metadata needs a file system, a directory, a cluster id and a directory id, not %q, %s, %s", o.Dir, o.ClusterID, o.Directory)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Source == nil {
		var seed [32]byte
		crand.Read(seed[:]) // never fails
		o.Source = rand.New(rand.NewChaCha8(seed))
	}
	return nil
}

// start begins the log if it is fresh, and starts the goroutines.
func (m *Meta) start(log *PebbleLog) error {
	raftID := m.opts.Directory.RaftID()
	if m.fresh {
		if err := log.Save(FirstWrite(raftID)); err != nil {
			return fmt.Errorf("begin metadata log: %w", err)
		}
	}
	member, err := NewMember(MemberOptions{RaftID: raftID, Store: log, SnapshotEvery: m.opts.snapshotEvery, Logger: m.opts.Logger})
	if err != nil {
		return err
	}
	if !slices.Equal(member.Voters(), []uint64{raftID}) {
		return fmt.Errorf("the metadata in %s has the voters %x, this directory is %x: it was copied from another node, or needs a program that runs several", m.opts.Dir, member.Voters(), raftID)
	}
	// Alone there is nobody to wait for.
	if err := member.Campaign(); err != nil {
		return fmt.Errorf("lead metadata quorum: %w", err)
	}
	m.image.Store(member.Image())
	m.driver = core.NewDriver(core.DriverOptions{Shards: 1, MaxInFlight: maxQueued / 2, Mailbox: maxQueued / 2})
	m.loop = &loop{member: member, log: log, meta: m, logger: m.opts.Logger, proposals: make(chan proposal, maxQueued),
		stop: make(chan struct{}), ended: make(chan struct{}), failed: make(chan struct{}), led: make(chan struct{}), waiting: map[core.Token]func(core.Done){}}
	m.loop.showQuorum()
	m.handle = m.driver.Add(0, NewController(ControllerOptions{ClusterID: m.opts.ClusterID, Source: m.opts.Source,
		DefaultPartitions: m.opts.DefaultPartitions, MaxPartitions: m.opts.MaxPartitions}), controllerHost{m.loop})
	go m.loop.run()
	return nil
}

// awaitCluster waits for the lead and the first image of a cluster, and checks that
// it is ours.
func (m *Meta) awaitCluster(ctx context.Context) error {
	changed, stop := m.Watch()
	defer stop()
	led := m.loop.led
	for {
		id := m.Image().ClusterID()
		if led == nil && !id.IsZero() {
			return m.checkCluster(id)
		}
		select {
		case <-led:
			led = nil
		case <-changed:
		case <-m.loop.failed:
			return m.loop.failure
		case <-ctx.Done():
			return fmt.Errorf("wait for the lead of the metadata quorum: %w", ctx.Err())
		}
	}
}

func (m *Meta) checkCluster(id ID) error {
	if id != m.opts.ClusterID {
		return fmt.Errorf("the metadata in %s belongs to cluster %s, the data directory to %s: one of them was copied here", m.opts.Dir, id, m.opts.ClusterID)
	}
	return nil
}

// Close stops changes, waits for what runs and closes the log. Metadata that had
// failed says so once more. It may be called twice.
func (m *Meta) Close() error {
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if closed {
		return nil
	}
	err := m.shut()
	if err = errors.Join(m.loop.failure, err); err != nil {
		return fmt.Errorf("close metadata log: %w", err)
	}
	return nil
}

// shut takes everything down. After a failure what closing says is more of the same.
func (m *Meta) shut() error {
	m.driver.Close() // requests that wait get ErrClosed
	m.loop.close()
	err := m.loop.log.Close()
	if m.loop.failure != nil {
		return nil
	}
	return err
}
