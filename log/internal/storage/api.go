package storage

// Origin is who appends, which decides what is checked.
type Origin uint8

const (
	// Client appends one batch whose producer sequence must be the next one.
	Client Origin = iota
	// Coordinator appends markers and the records of coordinators; epochs are
	// checked, sequences are not.
	Coordinator
	// Replication appends what a leader has checked, with its offsets and epochs.
	Replication
)

// AppendOptions says how batches are appended.
type AppendOptions struct {
	Origin Origin
	// LeaderEpoch is stamped into the batches; Replication keeps what they carry.
	LeaderEpoch int32
}

// Ticket is where an append went. It is acknowledged when Durable() > LastOffset.
type Ticket struct {
	BaseOffset int64
	LastOffset int64
	// LogStart is the log's start at that moment.
	LogStart int64
	// AppendTimeMs is the timestamp that the broker set, -1 if it did not.
	AppendTimeMs int64
	// Duplicate reports that the batch was appended before, at these offsets.
	// Nothing was written; acknowledge it like the first time.
	Duplicate bool
}

// TimestampOffset is a record found by time.
type TimestampOffset struct {
	Offset      int64
	TimestampMs int64
	LeaderEpoch int32
}

// AbortedTxn says that the data of a producer from FirstOffset up to its next
// marker was aborted.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// ProducerState is what a partition knows of one producer.
type ProducerState struct {
	ProducerID       int64
	Epoch            int16
	LastSequence     int32 // -1 is none in this epoch
	LastTimestampMs  int64
	CoordinatorEpoch int32 // -1 is none
	// TxnFirstOffset is where its open transaction begins, -1 if none is open.
	TxnFirstOffset int64
}

// Recovery is what OpenLog found and did.
type Recovery struct {
	// Scanned is the number of bytes that were read and checked; 0 is a clean start.
	Scanned int64
	// Replayed is the number of bytes that were put back from the journal.
	Replayed int64
	// CutBytes were taken off the end, from offset CutAt on, and are kept in Kept,
	// names of files in quarantine/. 0 is none.
	CutBytes int64
	CutAt    int64
	Kept     []string
	// Rebuilt says which cache files were damaged, and how.
	Rebuilt []string
}
