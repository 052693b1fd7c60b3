package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Errors to branch on with errors.Is.
var (
	// ErrFenced: another producer has taken the transactional id over, another
	// process the group instance id, or the coordinator ended the transaction by
	// its timeout. What this process wrote and did not see committed may be either.
	ErrFenced = errors.New("fenced by another process or by the transaction timeout")
	// ErrAborted: the transaction is aborted, definitely.
	ErrAborted = errors.New("the transaction was aborted")
	// ErrAbortable: the open transaction cannot be committed any more, only aborted.
	ErrAbortable = errors.New("the transaction can only be aborted")
	// ErrUnknownOutcome: nobody has said whether the transaction committed.
	ErrUnknownOutcome = errors.New("the transaction's outcome is not known")
	// ErrGeneration: the group has gone on without this member's generation.
	ErrGeneration = errors.New("no longer a member of the group in this generation")
	// ErrUnknownTopic: there is no such topic or partition.
	ErrUnknownTopic = errors.New("unknown topic or partition")
	// ErrTopicExists: a topic to create is there already.
	ErrTopicExists = errors.New("topic exists")
	// ErrTopicRecreated: the topic was deleted and created again, so that offsets
	// in it no longer mean what they meant.
	ErrTopicRecreated = errors.New("topic was deleted and created again")
	// ErrNotAuthorized: no ACL allows this client what it asked for. It is wrapped beside
	// the code's own error, which says on which kind of resource.
	ErrNotAuthorized = errors.New("not authorized")
	// ErrClosed: used after Close.
	ErrClosed = errors.New("closed")
	// ErrRetriable is wrapped by refusals that pass by themselves, such as a
	// leader that moved. Callers see them only where a call makes a single attempt.
	ErrRetriable = errors.New("retriable")
)

// OffsetOutOfRangeError says that a position is not in the log: retention has
// removed it, or the log is shorter than the reader believes.
type OffsetOutOfRangeError struct {
	Partition TopicPartition
	Offset    int64 // the position asked for
	LogStart  int64 // the first offset there is; -1 if unknown
	End       int64 // the high watermark; -1 if unknown
}

func (e *OffsetOutOfRangeError) Error() string {
	if e.Offset < e.LogStart {
		return fmt.Sprintf("%s: offsets %d to %d are gone (removed by retention or DeleteRecords); the log now starts at %d", e.Partition, e.Offset, e.LogStart-1, e.LogStart)
	}
	return fmt.Sprintf("%s: offset %d is not in the log, which holds %d to %d", e.Partition, e.Offset, e.LogStart, e.End)
}

// kind is what an answer means for what to do next.
type kind uint8

const (
	kindOK        kind = iota
	kindRetriable      // the same request again, after a pause
	kindRefresh        // learn the leaders anew, then again
	kindAbortable      // the open transaction is lost, the producer is not
	kindFenced         // somebody else is in our place
	kindMember         // the group membership is over
	kindFatal          // repeating does not help
)

// classify is the one place that decides what a broker's error code means.
func classify(code int16) kind {
	switch kerr.TypedErrorForCode(code) {
	case nil:
		return kindOK
	case kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition,
		kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch,
		kerr.KafkaStorageError, kerr.ReplicaNotAvailable, kerr.ListenerNotFound:
		return kindRefresh
	case kerr.RequestTimedOut, kerr.NetworkException, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.NotController,
		kerr.ConcurrentTransactions, kerr.UnstableOffsetCommit, kerr.OffsetNotAvailable,
		kerr.ThrottlingQuotaExceeded, kerr.FetchSessionIDNotFound, kerr.InvalidFetchSessionEpoch,
		kerr.FetchSessionTopicIDError, kerr.CorruptMessage, kerr.EligibleLeadersNotAvailable:
		return kindRetriable
	case kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.TransactionCoordinatorFenced, kerr.FencedInstanceID:
		return kindFenced
	case kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch:
		return kindMember
	case kerr.TransactionAbortable, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.DuplicateSequenceNumber,
		kerr.InvalidProducerIDMapping, kerr.InvalidTxnState, kerr.MessageTooLarge, kerr.RecordListTooLarge,
		kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.PolicyViolation, kerr.OffsetMetadataTooLarge, kerr.OperationNotAttempted:
		return kindAbortable
	}
	return kindFatal
}

// sentinel is what callers of the package branch on for a kind.
func (k kind) sentinel() error {
	switch k {
	case kindRetriable, kindRefresh:
		return ErrRetriable
	case kindAbortable:
		return ErrAbortable
	case kindFenced:
		return ErrFenced
	case kindMember:
		return ErrGeneration
	}
	return nil
}

// BrokerError is a refusal by a broker. errors.Is finds the sentinel that fits
// and the kerr error of the code.
type BrokerError struct {
	Op      string // what was asked: "commit offsets of group g"
	Code    int16
	Message string // the broker's own words, if any
	kind    kind
}

func (e *BrokerError) Error() string {
	cause := kerr.ErrorForCode(e.Code)
	known := kerr.TypedErrorForCode(e.Code)
	switch {
	case e.Message == "" || e.Message == cause.Error() || known != nil && e.Message == known.Message:
		return e.Op + ": " + cause.Error()
	case known == nil:
		return e.Op + ": " + e.Message + " (" + cause.Error() + ")"
	}
	return e.Op + ": " + e.Message + " (" + known.Message + ")" // its words say more than the code's
}

// Unwrap gives the error of the code and the sentinels that fit.
func (e *BrokerError) Unwrap() []error {
	errs := []error{kerr.ErrorForCode(e.Code)}
	switch kerr.TypedErrorForCode(e.Code) {
	case kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed:
		errs = append(errs, ErrNotAuthorized)
	}
	if s := e.kind.sentinel(); s != nil {
		errs = append(errs, s)
	}
	return errs
}

// brokerError makes the error of a code, nil for 0.
func brokerError(code int16, message *string, format string, args ...any) error {
	if code == 0 {
		return nil
	}
	e := &BrokerError{Op: fmt.Sprintf(format, args...), Code: code, kind: classify(code)}
	if message != nil {
		e.Message = *message
	}
	return e
}

// again says whether the code calls for another attempt.
func again(code int16) bool {
	k := classify(code)
	return k == kindRetriable || k == kindRefresh
}

// transient says whether an error of a request that got no definite answer may
// be gone at the next attempt. What a broker has refused is judged by its code;
// everything else is the way to the broker, which may come back, unless ctx is
// over.
func transient(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, ErrUnknownTopic) || errors.Is(err, ErrClosed) || errors.Is(err, kgo.ErrClientClosed) {
		return false
	}
	var refused *BrokerError
	if errors.As(err, &refused) {
		return refused.kind == kindRetriable || refused.kind == kindRefresh
	}
	return true
}
