package broker

import "time"

// Limits bounds what connections may make the broker hold. The zero value of a
// field means its default.
type Limits struct {
	// FrameBytes is the largest request; 0 means 1 MiB. Of a Produce it bounds
	// ProduceOverheadBytes instead.
	FrameBytes int
	// ProduceBytes is the largest Produce request, records included; 0 means
	// 100 MiB, what Kafka takes and what clients are configured for.
	ProduceBytes int
	// RequestBytes is the budget for requests that are being read, decoded and
	// handled on all connections together; 0 means 128 MiB. It must hold the largest
	// request's reservation.
	RequestBytes int64
	// ResponseBytes is the budget for fetched records on their way out, on all
	// connections together; 0 means 64 MiB.
	ResponseBytes int64
	// FetchBytes bounds one Fetch response, whatever the client asks; 0 means 16 MiB.
	// One batch larger than it is still sent.
	FetchBytes int
	// Pipelined is the number of requests of one connection that may be read ahead
	// or be waiting for their answer; 0 means 64.
	Pipelined int
	// Connections bounds the open connections of all listeners; 0 means 4096.
	Connections int
	// Idle closes a connection that has asked nothing for so long; 0 means 10 min.
	Idle time.Duration
	// FrameTime is the time in which a frame must arrive once it has begun, and in
	// which a response must be taken; 0 means 30 s.
	FrameTime time.Duration
	// Wait bounds a Fetch's long poll, whatever the client asks; 0 means 1 min.
	Wait time.Duration
}

func (l *Limits) setDefaults() {
	setDefault(&l.FrameBytes, 1<<20)
	setDefault(&l.ProduceBytes, 100<<20)
	setDefault(&l.RequestBytes, 128<<20)
	setDefault(&l.ResponseBytes, 64<<20)
	setDefault(&l.FetchBytes, 16<<20)
	setDefault(&l.Pipelined, 64)
	setDefault(&l.Connections, 4096)
	setDefault(&l.Idle, 10*time.Minute)
	setDefault(&l.FrameTime, 30*time.Second)
	setDefault(&l.Wait, time.Minute)
}

func setDefault[T int | int64 | time.Duration](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

const (
	// amplification is the most that decoding may allocate for each byte of a
	// request. Measured, the worst frame that passes walk needs about 60.
	amplification = 80

	// produceOverhead bounds the bytes of a Produce that are not records: about ten
	// thousand partitions in one request. produceAmplification is what they may
	// decode to, each; the worst is the empty topic, 64 bytes of memory for 3.
	produceOverhead      = 128 << 10
	produceAmplification = 24
)

// reservation is what is taken from the request budget before a frame's body is
// read: its bytes, and all that decoding it could allocate. Records are aliased,
// not decoded, so a large Produce costs little more than itself.
func reservation(key int16, size int) int64 {
	if key == keyProduce {
		return int64(size) + produceAmplification*int64(min(size, produceOverhead))
	}
	return int64(size) * (amplification + 1)
}
