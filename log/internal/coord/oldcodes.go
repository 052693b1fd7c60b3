package coord

import "github.com/twmb/franz-go/pkg/kerr"

// olderCode is an error that clients know only from a version on. Those before it are
// told another one, which was the nearest at their time: a client that meets a code
// that it does not know gives up on what it could have tried again.
type olderCode struct {
	key   int16
	since int16
	code  *kerr.Error
	older *kerr.Error
}

// olderCodes are all of them, by key.
var olderCodes = []olderCode{
	{0, 4, kerr.KafkaStorageError, kerr.NotLeaderForPartition},            // KIP-112
	{0, 11, kerr.TransactionAbortable, kerr.InvalidTxnState},              // KIP-890
	{1, 6, kerr.KafkaStorageError, kerr.NotLeaderForPartition},            // KIP-112
	{22, 4, kerr.ProducerFenced, kerr.InvalidProducerEpoch},               // KIP-588
	{24, 2, kerr.ProducerFenced, kerr.InvalidProducerEpoch},               // KIP-588
	{24, 5, kerr.TransactionAbortable, kerr.InvalidTxnState},              // KIP-890
	{25, 2, kerr.ProducerFenced, kerr.InvalidProducerEpoch},               // KIP-588
	{25, 4, kerr.TransactionAbortable, kerr.InvalidTxnState},              // KIP-890
	{26, 2, kerr.ProducerFenced, kerr.InvalidProducerEpoch},               // KIP-588
	{26, 4, kerr.TransactionAbortable, kerr.InvalidTxnState},              // KIP-890
	{28, 2, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable}, // KAFKA-7296
	{28, 4, kerr.TransactionAbortable, kerr.InvalidTxnState},              // KIP-890
}

// CodeFor is an error code as a client is told it that asked with this version of a
// key.
func CodeFor(key, version, code int16) int16 {
	if code == 0 {
		return 0
	}
	for i := range olderCodes {
		if o := &olderCodes[i]; o.key == key && version < o.since && code == o.code.Code {
			return o.older.Code
		}
	}
	return code
}
