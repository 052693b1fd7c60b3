package log

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/group"
)

// Sync says when an appended record counts as durable, and so when it is
// acknowledged and shown to readers.
type Sync string

// The sync policies. The zero value means SyncAlways.
const (
	// SyncAlways acknowledges after fdatasync. Nothing acknowledged is lost in a
	// power cut.
	SyncAlways Sync = "always"
	// SyncInterval acknowledges at once and syncs every Options.SyncInterval: a
	// power cut loses at most that much; a killed process loses nothing.
	SyncInterval Sync = "interval"
	// SyncOS acknowledges at once and leaves writing back to the operating system.
	SyncOS Sync = "os"
)

// Journal says which writes go to the disk's journal under SyncAlways. See
// docs/durability.md.
type Journal string

// The uses of the journal. The zero value means JournalAuto. What is acknowledged is
// as durable with each of them.
const (
	// JournalAuto syncs segments while few partitions are written to, and the journal
	// when many are.
	JournalAuto Journal = "auto"
	// JournalOff always syncs segments.
	JournalOff Journal = "off"
	// JournalOn syncs the journal whenever it has room.
	JournalOn Journal = "on"
)

// Options says how a node is opened. Only DataDir is needed.
type Options struct {
	// DataDir is the directory that holds everything of this node. It is made if it
	// is not there.
	DataDir string
	// FS is the file system under DataDir; nil means the operating system's.
	FS vfs.FS
	// Logger receives what the node has to say; nil means slog.Default().
	Logger *slog.Logger
	// Fatal is called once, from a goroutine of the node, when the disk has failed
	// in a way after which nothing more may be acknowledged (the first failed sync).
	// The process should end soon after. nil means that the error is only logged.
	// The node answers no write after it either way.
	Fatal func(error)
	// Sync is the durability of an acknowledgement; "" means SyncAlways.
	Sync Sync
	// SyncInterval is the time between syncs under SyncInterval; 0 means 100 ms.
	SyncInterval time.Duration
	// Journal is when the disk's journal is used; "" means JournalAuto.
	Journal Journal
	// CompactionBytesPerSecond bounds what compaction of topics reads and writes; 0
	// means 64 MiB, and below 0 there is no bound.
	CompactionBytesPerSecond int64
	// NodeID is this node's id in the cluster, from 1; 0 means the directory's own,
	// and 1 for a new directory. A directory refuses another id than its own.
	NodeID int32
	// NoAutoCreate turns off the creation of topics that a client asks metadata of
	// (Kafka's auto.create.topics.enable=false).
	NoAutoCreate bool
	// DefaultPartitions is the number of partitions of a topic that is created
	// without saying how many; 0 means 1.
	DefaultPartitions int32
	// MaxPartitions bounds the partitions of all topics together, so that no client
	// can fill the node with empty ones; 0 means 20 000.
	MaxPartitions int
	// MaxConnections bounds the connections over all listeners; 0 means 4096. One
	// more is closed as soon as it is accepted.
	MaxConnections int
	// MaxConnectionsPerAddress bounds those of one address; 0 means a quarter of
	// MaxConnections, and no bound of its own for this machine's addresses.
	MaxConnectionsPerAddress int
	// MaxConnectionsOfAddress are the bounds of single addresses, by their IP, where
	// the one above is not right; 0 is no bound but MaxConnections.
	MaxConnectionsOfAddress map[string]int
	// MaxIdle closes a connection that has asked nothing for so long; 0 means 10 min.
	MaxIdle time.Duration
	// MaxConnectionsUnauthenticated bounds the connections that have not done yet what
	// their listener demands, a TLS handshake or an authentication; 0 means an eighth of
	// MaxConnections, at least 64 and at most 1024, but never more than half of them.
	MaxConnectionsUnauthenticated int
	// Advertised is ListenerOptions.Advertised of what Listen and Serve listen on.
	Advertised string
	// OffsetsRetention is how long committed offsets are kept that nobody uses, by
	// Kafka's rules: after a group of consumers has lost its last member, after the last
	// commit of a client that manages itself (Kafka's offsets.retention.minutes). 0 means
	// 7 days, negative for ever.
	OffsetsRetention time.Duration
	// Groups is how groups of consumers behave.
	Groups GroupOptions
	// Transactions is how transactions behave.
	Transactions TransactionOptions
	// Insecure allows listeners on addresses other than loopback although they lack
	// encryption or authentication.
	Insecure bool
	// Authorize asks every request for rights: what no ACL allows is denied, but to
	// SuperUsers. Off, everybody may do everything.
	Authorize bool
	// SuperUsers are principals such as User:admin who may do everything, whatever ACLs
	// say. With Authorize there must be one, or an ACL that allows ALTER on the cluster.
	SuperUsers []string
	// AllowIfNoACL lets everybody do everything to a resource that no ACL is about
	// (Kafka's allow.everyone.if.no.acl.found).
	AllowIfNoACL bool

	// groups is how groups behave where Groups and OffsetsRetention say nothing. Tests
	// set it.
	groups group.Config
	// arrival is how long clients may take to come in; 0 is the broker's default. Tests
	// set it.
	arrival time.Duration
	// strict makes every response pass the check for nulls that clients cannot
	// read, and released request buffers be overwritten. Tests set it.
	strict bool
	// journalFileBytes is the size of a file of the disk's journal; 0 means storage's
	// own. Tests make it small: their disks are in memory.
	journalFileBytes int64
}

func (o *Options) setDefaults() {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Sync == "" {
		o.Sync = SyncAlways
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = 100 * time.Millisecond
	}
	if o.Journal == "" {
		o.Journal = JournalAuto
	}
	if o.NodeID == 0 {
		o.NodeID = 1
	}
	if o.DefaultPartitions == 0 {
		o.DefaultPartitions = 1
	}
	if o.MaxPartitions == 0 {
		o.MaxPartitions = 20_000
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 4096
	}
}

// validate reports every fault at once.
func (o *Options) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if o.DataDir == "" {
		fault("DataDir is empty: name the directory that keeps the log")
	}
	switch o.Sync {
	case "", SyncAlways, SyncInterval, SyncOS:
	default:
		fault("Sync is %q: use %q, %q or %q", o.Sync, SyncAlways, SyncInterval, SyncOS)
	}
	switch o.Journal {
	case "", JournalAuto, JournalOff, JournalOn:
	default:
		fault("Journal is %q: use %q, %q or %q", o.Journal, JournalAuto, JournalOff, JournalOn)
	}
	if o.SyncInterval < 0 {
		fault("SyncInterval is %v: it cannot be negative", o.SyncInterval)
	}
	if o.NodeID < 0 {
		fault("NodeID is %d: node ids start at 1", o.NodeID)
	}
	if o.DefaultPartitions < 0 {
		fault("DefaultPartitions is %d: a topic has at least one", o.DefaultPartitions)
	}
	if o.MaxPartitions < 0 || o.MaxConnections < 0 || o.MaxConnectionsPerAddress < 0 || o.MaxConnectionsUnauthenticated < 0 {
		fault("MaxPartitions is %d, MaxConnections %d, MaxConnectionsPerAddress %d, MaxConnectionsUnauthenticated %d: none can be negative",
			o.MaxPartitions, o.MaxConnections, o.MaxConnectionsPerAddress, o.MaxConnectionsUnauthenticated)
	}
	for _, ip := range slices.Sorted(maps.Keys(o.MaxConnectionsOfAddress)) {
		if _, err := netip.ParseAddr(ip); err != nil || o.MaxConnectionsOfAddress[ip] < 0 {
			fault("MaxConnectionsOfAddress has %q: %d: write an IP address, and a number from 0", ip, o.MaxConnectionsOfAddress[ip])
		}
	}
	if o.MaxIdle < 0 {
		fault("MaxIdle is %v: it cannot be negative", o.MaxIdle)
	}
	if err := errors.Join(o.Groups.check(), o.Transactions.check()); err != nil {
		fault("%w", err)
	}
	if policy := o.policy(); policy.Check() != nil {
		fault("%w", policy.Check())
	}
	if !o.Authorize && (len(o.SuperUsers) > 0 || o.AllowIfNoACL) {
		fault("SuperUsers or AllowIfNoACL are set, but Authorize is not: nobody would be asked for rights (--authorize asks everybody)")
	}
	if o.Advertised != "" {
		if _, _, err := splitAdvertised(o.Advertised); err != nil {
			fault("%w", err)
		}
	}
	return errors.Join(faults...)
}

// splitAdvertised parses host:port.
func splitAdvertised(s string) (host string, port int32, err error) {
	host, p, err := net.SplitHostPort(s)
	if err == nil && host == "" {
		err = errors.New("the host is missing")
	}
	n, perr := strconv.ParseUint(p, 10, 16)
	if err == nil && (perr != nil || n == 0) {
		err = errors.New("the port must be a number from 1 to 65535")
	}
	if err != nil {
		return "", 0, fmt.Errorf("advertised address %q is not host:port: %w", s, err)
	}
	return host, int32(n), nil
}
