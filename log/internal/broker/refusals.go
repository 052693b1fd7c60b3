package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// expected are the errors by which clients find their way: who leads, whether to
// rejoin, where the log ends. They are told to whoever looks for them.
var expected = codes(
	kerr.OffsetOutOfRange, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.NotLeaderForPartition, kerr.ReplicaNotAvailable,
	kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.NotController,
	kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.MemberIDRequired, kerr.FencedMemberEpoch, kerr.StaleMemberEpoch,
	kerr.ConcurrentTransactions, kerr.DuplicateSequenceNumber, kerr.UnstableOffsetCommit,
	kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable,
	kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.GroupIDNotFound, kerr.TransactionalIDNotFound, kerr.ResourceNotFound,
	kerr.ElectionNotNeeded, kerr.NoReassignmentInProgress,
)

// alarming are the errors that whoever runs the node should know of: somebody without
// the right to, records that are damaged or too large, a disk or a program that fails.
var alarming = codes(
	kerr.UnknownServerError, kerr.CorruptMessage, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp,
	kerr.KafkaStorageError, kerr.LogDirNotFound,
	kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.UnsupportedCompressionType, kerr.UnsupportedForMessageFormat,
	kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
	kerr.DelegationTokenAuthorizationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState,
	kerr.SecurityDisabled, kerr.PolicyViolation, kerr.BrokerIDNotRegistered, kerr.StaleBrokerEpoch,
)

func codes(errs ...*kerr.Error) map[int16]bool {
	m := map[int16]bool{}
	for _, err := range errs {
		m[err.Code] = true
	}
	return m
}

// levelOf is how loud a refusal is.
func levelOf(key, code int16) slog.Level {
	switch {
	case code == kerr.SaslAuthenticationFailed.Code:
		return slog.LevelDebug // the login has said it, with the name of the user
	case expected[code] || key == keyApiVersions && code == kerr.UnsupportedVersion.Code:
		return slog.LevelDebug
	case alarming[code]:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// errorName is Kafka's name of a code.
func errorName(code int16) string {
	if err := kerr.TypedErrorForCode(code); err != nil {
		return err.Message
	}
	return "NONE"
}

// refusals thins out what is said of refused requests: one line per client, key and
// error in refusalPause, and of all together what quiet allows. The zero value is
// ready; it may be used concurrently.
type refusals struct {
	all quiet

	mu   sync.Mutex
	seen map[refusalKey]*refusalSeen // guarded by mu
}

// refusalPause is how long the same refusal of the same client is not repeated.
const refusalPause = 10 * time.Second

// maxRefusals bounds what is remembered.
const maxRefusals = 1024

type refusalKey struct {
	host, clientID, principal string
	key, code                 int16
}

type refusalSeen struct {
	said       time.Time
	suppressed int
}

// allow tells whether a line may be written, and how many like it were not since the
// last.
func (r *refusals) allow(k refusalKey, now time.Time) (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen[k]
	if s != nil && now.Sub(s.said) < refusalPause {
		s.suppressed++
		return 0, false
	}
	if s == nil {
		r.forget(now)
		s = &refusalSeen{}
		if len(r.seen) < maxRefusals {
			r.seen[k] = s
		}
	}
	others, ok := r.all.allow(now)
	if !ok {
		s.suppressed++
		return 0, false
	}
	suppressed = s.suppressed + others
	s.said, s.suppressed = now, 0
	return suppressed, true
}

// forget makes room; with mu held.
func (r *refusals) forget(now time.Time) {
	if r.seen == nil {
		r.seen = map[refusalKey]*refusalSeen{}
	}
	if len(r.seen) < maxRefusals {
		return
	}
	for k, s := range r.seen {
		if now.Sub(s.said) >= refusalPause {
			delete(r.seen, k)
		}
	}
}

// refuse writes down that a request got an error: what, and from whom.
func (c *call) refuse(resp kmsg.Response, f fault) {
	level := levelOf(resp.Key(), f.code)
	if !c.opts.Logger.Enabled(context.Background(), level) {
		return
	}
	who := c.caller
	clientID := short(who.ClientID)
	suppressed, ok := c.refusals.allow(refusalKey{who.Host, clientID, short(who.Principal), resp.Key(), f.code}, time.Now())
	if !ok {
		return
	}
	args := []any{"api", kmsg.NameForKey(resp.Key()), "version", resp.GetVersion(), "error", errorName(f.code)}
	add := func(key, value string) {
		if value != "" {
			args = append(args, key, value)
		}
	}
	about := f.about
	if about == "" {
		about = subjectOf(c.req)
	}
	add("about", about)
	add("reason", f.reason)
	add("principal", who.Principal)
	add("client_id", clientID)
	add("client", who.Host)
	add("listener", who.Listener)
	if f.count > 1 {
		args = append(args, "times", f.count)
	}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	c.opts.Logger.Log(context.Background(), level, "request refused", args...)
}
