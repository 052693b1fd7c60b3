package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	millog "github.com/millrace/millrace/log"
)

// nodeFlags say how a node of the log runs in this process.
type nodeFlags struct {
	listen       listenFlags
	first        firstUser
	sync         string
	insecure     bool
	noAutoCreate bool
	partitions   int32
	authorize    bool
	superUsers   []string
	allowIfNoACL bool
	admin        adminFlags
	limits       limitFlags
	settings     settingFlags
	compaction   int64
	offsets      time.Duration
}

func (n *nodeFlags) flags(c *cobra.Command) {
	f := c.Flags()
	n.listen.flags(c)
	n.first.flags(c)
	f.StringVar(&n.sync, "sync", "always", "acknowledge after fdatasync (always), or at once (interval, os)")
	f.BoolVar(&n.insecure, "insecure", false, "allow to listen beyond loopback without encryption or authentication")
	f.BoolVar(&n.noAutoCreate, "no-auto-create", false, "do not create topics that clients ask for")
	f.Int32Var(&n.partitions, "default-partitions", 1, "partitions of a topic created without saying how many")
	f.BoolVar(&n.authorize, "authorize", false, "ask every request for rights: what no ACL allows is denied")
	f.StringArrayVar(&n.superUsers, "super-user", nil, "principal who may do everything, as User:NAME; may be repeated")
	f.BoolVar(&n.allowIfNoACL, "allow-if-no-acl", false, "with --authorize: let everybody use what no ACL is about")
	f.Int64Var(&n.compaction, "compaction-rate", 0, "bytes a second that compaction may read and write (default 64 MiB; -1 for no bound)")
	f.DurationVar(&n.offsets, "offsets-retention", 7*24*time.Hour, "how long offsets of a group without members are kept; -1s for ever")
	n.limits.flags(c)
	n.settings.add(c)
	oneOf(c, "sync", &n.sync, "always", "interval", "os")
}

// node is a running node and what ends with it.
type node struct {
	*millog.Node
	addr  string // where it listens, separated by commas; "" if it does not
	admin *admin // nil if nobody watches
	// failed ends when the node can no longer serve: the cause says why. close ends
	// it too.
	failed  context.Context
	stop    context.CancelCauseFunc
	serving sync.WaitGroup
}

// open starts a node in dir and has it listen.
func (n *nodeFlags) open(ctx context.Context, dir string, logger *slog.Logger) (*node, error) {
	listeners, err := n.listen.options()
	if err != nil {
		return nil, err
	}
	opts, err := n.options(dir, logger)
	if err != nil {
		return nil, err
	}
	watched, err := n.admin.open(logger)
	if err != nil {
		return nil, err
	}
	failed, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	opts.Fatal = func(err error) {
		fail(fmt.Errorf("the disk failed, so the node has stopped acknowledging: %w", err))
	}
	opened, err := millog.Open(ctx, opts)
	if err != nil {
		watched.close()
		return nil, err
	}
	watched.show(opened)
	result := &node{Node: opened, admin: watched, failed: failed, stop: fail}
	if err := n.first.add(ctx, opened, logger); err != nil {
		return nil, errors.Join(err, result.close(ctx))
	}
	if err := result.listen(listeners); err != nil {
		return nil, errors.Join(err, result.close(ctx))
	}
	return result, nil
}

// options are how the node is opened, but for what happens when it fails.
func (n *nodeFlags) options(dir string, logger *slog.Logger) (millog.Options, error) {
	superUsers := n.superUsers
	if n.authorize && n.first.name != "" {
		superUsers = append(slices.Clone(superUsers), "User:"+n.first.name)
	}
	if n.offsets == 0 && n.settings.changed("offsets-retention") {
		return millog.Options{}, usagef("--offsets-retention 0s: offsets cannot be kept for no time: name one, like 24h, or -1s for ever")
	}
	o := millog.Options{
		DataDir: filepath.Join(dir, "log"), Logger: logger, Sync: millog.Sync(n.sync), Insecure: n.insecure,
		Authorize: n.authorize, SuperUsers: superUsers, AllowIfNoACL: n.allowIfNoACL,
		CompactionBytesPerSecond: n.compaction, OffsetsRetention: n.offsets, NoAutoCreate: n.noAutoCreate, DefaultPartitions: n.partitions,
		MaxConnections: n.limits.connections, MaxConnectionsPerAddress: n.limits.perAddress, MaxConnectionsOfAddress: n.limits.ofAddress,
		MaxConnectionsUnauthenticated: n.limits.unauthenticated,
	}
	return o, n.settings.apply(&o)
}

// listen binds all listeners, and then serves them.
func (n *node) listen(listeners []millog.ListenerOptions) error {
	var bound []*millog.Listener
	var addrs []string
	for _, o := range listeners {
		l, err := n.ListenOn(o)
		if err != nil {
			for _, l := range bound {
				err = errors.Join(err, l.Close())
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("%s is in use: choose another address with --listen HOST:PORT, or --listen none", o.Address)
			}
			return err
		}
		bound, addrs = append(bound, l), append(addrs, l.Addr())
	}
	n.addr = strings.Join(addrs, ", ")
	for _, l := range bound {
		n.serving.Go(func() {
			if err := l.Serve(n.failed); err != nil {
				n.stop(err)
			}
		})
	}
	return nil
}

// close stops serving, then the node.
func (n *node) close(ctx context.Context) error {
	err := n.Node.Close(context.WithoutCancel(ctx))
	n.admin.close() // last, so that it can be seen that the node is not ready any more
	n.stop(nil)
	n.serving.Wait()
	cause := context.Cause(n.failed)
	switch {
	case cause == nil || cause == context.Canceled:
		return err
	case errors.Is(err, millog.ErrFailed): // of the same cause
		return cause
	}
	return errors.Join(cause, err)
}

func (a *app) serverCommand() *cobra.Command {
	var flags nodeFlags
	var data string
	c := &cobra.Command{
		Use:   "server --data DIR",
		Short: "Run a node of the log, without a pipeline",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if data == "" {
				return usagef("server needs --data: the directory that keeps the log")
			}
			return a.serve(c.Context(), &flags, data)
		},
	}
	c.Flags().StringVar(&data, "data", "", "directory that keeps the log")
	flags.flags(c)
	flags.admin.flags(c, defaultAdminListen)
	return c
}

func (a *app) serve(ctx context.Context, flags *nodeFlags, data string) error {
	a.warnExposed(flags.secrets()...)
	n, err := flags.open(ctx, data, a.logger())
	if err != nil {
		return err
	}
	if n.addr != "" {
		fmt.Fprintf(a.term.errors(), "millrace: listening on %s for Kafka clients; data in %s\n", n.addr, data)
	} else {
		fmt.Fprintf(a.term.errors(), "millrace: not listening; data in %s\n", data)
	}
	if n.admin != nil {
		fmt.Fprintf(a.term.errors(), "millrace: metrics and health at http://%s\n", n.admin.addr())
	}
	select {
	case <-ctx.Done():
	case <-n.failed.Done():
	}
	return n.close(ctx)
}
