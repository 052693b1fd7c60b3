package coord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace/log/internal/core"
)

// ErrLoading means that the partition is being replayed: COORDINATOR_LOAD_IN_PROGRESS.
var ErrLoading = errors.New("coordinator is loading")

// ErrNotLeader means that this node does not lead the partition: NOT_COORDINATOR.
var ErrNotLeader = errors.New("not the coordinator")

// Replayable is a core that is rebuilt from its partition.
type Replayable interface {
	core.Core
	// Replay takes over one record. It is called for every committed record in offset
	// order, before the first Step. An error means that the partition cannot be served.
	Replay(Record) error
}

// HostOptions say which cores a Host runs.
type HostOptions struct {
	// Topic names the internal topic in messages.
	Topic  string
	Driver *core.Driver
	// New makes the core of a partition in a leader epoch, before Replay. wall is the
	// time of day when the core's now is 0.
	New func(partition, epoch int32, wall time.Time) Replayable
	// Send and Install carry out the duties of that name, as core.Host has them; Reset
	// says that what a partition's core has installed counts no more. A core that has
	// no such duties needs none of them.
	Send    func(partition int32, s core.Send, answer func(core.Input))
	Install func(partition int32, i core.Install)
	Reset   func(partition int32)
	// Logger receives loads, failures and resets.
	Logger *slog.Logger
}

// Host runs the cores of the partitions that this node leads. It may be used
// concurrently.
//
// A partition is led or not, and while it is led its core is loading or running:
//
//  1. Loading replays everything that was in the log when it began, and begins only
//     once all of that is committed: a record that is committed later than it was
//     replayed past would be missed.
//  2. A failed append ends the core, and loading begins again. What was under way is
//     answered with an error that says nothing about its outcome.
//  3. Nothing of a core is appended after Resigned has returned.
type Host struct {
	opts HostOptions

	mu     sync.Mutex
	led    map[int32]*led
	closed bool
	wg     sync.WaitGroup // of loads
}

// led is a partition in one leader epoch.
type led struct {
	host      *Host
	partition int32
	epoch     int32
	log       Log
	cancel    context.CancelFunc
	ctx       context.Context // of loading; ends with leadership

	mu      sync.Mutex
	handle  *core.Handle  // nil while loading
	running chan struct{} // closed once handle is there
}

// NewHost returns a Host that leads nothing yet.
func NewHost(o HostOptions) *Host {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Host{opts: o, led: map[int32]*led{}}
}

// Elected begins to load a partition. An earlier leadership of it ends first. One
// goroutine at a time calls Elected and Resigned.
func (h *Host) Elected(partition, epoch int32, log Log) {
	h.Resigned(partition)
	ctx, cancel := context.WithCancel(context.Background())
	l := &led{host: h, partition: partition, epoch: epoch, log: log, cancel: cancel, ctx: ctx, running: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		cancel()
		return
	}
	h.led[partition] = l
	h.wg.Go(l.load)
}

// Resigned ends the leadership of a partition, if there is one.
func (h *Host) Resigned(partition int32) {
	h.mu.Lock()
	l := h.led[partition]
	delete(h.led, partition)
	h.mu.Unlock()
	if l != nil {
		l.end()
	}
}

// Close ends all leaderships. It may be called twice.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	ending := h.led
	h.led = map[int32]*led{}
	h.mu.Unlock()
	for _, l := range ending {
		l.end()
	}
	h.wg.Wait()
}

// Led are the partitions that this node leads, loading or not, in no order.
func (h *Host) Led() []int32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	led := make([]int32, 0, len(h.led))
	for p := range h.led {
		led = append(led, p)
	}
	return led
}

// Call gives a request to the core of a partition and waits for its reply. request
// builds the input around the id that the reply must name. It waits a second for a
// partition that is loading. The error is ErrNotLeader, ErrLoading, core.ErrBusy,
// core.ErrReset, core.ErrClosed or ctx's.
func (h *Host) Call(ctx context.Context, partition int32, request func(id uint64) core.Input) (any, error) {
	handle, err := h.handle(ctx, partition)
	if err != nil {
		return nil, err
	}
	return handle.Call(ctx, request)
}

// loadWait is how long a request waits for a partition that is loading. Most load in
// milliseconds, and a client that is refused sleeps for longer.
const loadWait = time.Second

func (h *Host) handle(ctx context.Context, partition int32) (*core.Handle, error) {
	h.mu.Lock()
	l := h.led[partition]
	h.mu.Unlock()
	if l == nil {
		return nil, ErrNotLeader
	}
	handle, running := l.current()
	if handle != nil {
		return handle, nil
	}
	timer := time.NewTimer(loadWait)
	defer timer.Stop()
	select {
	case <-running:
	case <-timer.C:
		return nil, ErrLoading
	case <-l.ctx.Done():
		return nil, ErrNotLeader
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if handle, _ = l.current(); handle == nil {
		return nil, ErrLoading // it has failed again
	}
	return handle, nil
}

func (l *led) current() (*core.Handle, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handle, l.running
}

func (l *led) end() {
	l.cancel()
	l.mu.Lock()
	handle := l.handle
	l.handle = nil
	l.mu.Unlock()
	if handle != nil {
		handle.Close()
	}
	l.host.reset(l.partition)
}

func (h *Host) reset(partition int32) {
	if h.opts.Reset != nil {
		h.opts.Reset(partition)
	}
}

// readBytes is how much of a log is replayed at a time.
const readBytes = 1 << 20

// load replays the partition until it works or leadership ends, with longer and
// longer pauses.
func (l *led) load() {
	logger := l.host.opts.Logger.With("topic", l.host.opts.Topic, "partition", l.partition)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		started := time.Now()
		c, records, err := l.replay()
		if err == nil {
			l.run(c)
			logger.Debug("coordinator loaded", "records", records, "took", time.Since(started))
			if s, ok := c.(interface{ Skipped() int }); ok && s.Skipped() > 0 {
				logger.Warn("coordinator has records of a newer release and does not serve what they are about", "records", s.Skipped())
			}
			return
		}
		if l.ctx.Err() != nil {
			return
		}
		logger.Error("coordinator cannot load its partition and tries again", "error", err, "pause", pause)
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (l *led) replay() (Replayable, int, error) {
	end := l.log.End()
	if err := l.log.WaitCommitted(l.ctx, end); err != nil {
		return nil, 0, fmt.Errorf("wait until offset %d is committed: %w", end, err)
	}
	d := l.host.opts.Driver
	c := l.host.opts.New(l.partition, l.epoch, time.Now().Add(-d.Now()))
	records, next := 0, l.log.Start()
	for next < end {
		b, err := l.log.Read(l.ctx, next, readBytes)
		if err != nil {
			return nil, records, fmt.Errorf("read from offset %d: %w", next, err)
		}
		from := next
		next, err = Decode(b, next, func(r Record) error {
			records++
			return c.Replay(r)
		})
		switch {
		case err != nil:
			return nil, records, err
		case next <= from:
			return nil, records, fmt.Errorf("log ends at offset %d instead of %d", from, end)
		}
	}
	return c, records, nil
}

// run adds the core to the driver, unless leadership has ended meanwhile.
func (l *led) run(c Replayable) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() == nil {
		l.handle = l.host.opts.Driver.Add(shardKey(l.host.opts.Topic, l.partition), c, (*ledHost)(l))
		close(l.running)
	}
}

// shardKey spreads partitions of different topics over the driver's shards.
func shardKey(topic string, partition int32) uint64 {
	return uint64(uint32(javaHash(topic))) + uint64(partition)
}

// ledHost carries out the duties of a partition's core.
type ledHost led

// Append implements core.Host.
func (l *ledHost) Append(a core.Append, done func(core.Done)) {
	l.log.Append(a.Batch, func(base int64, err error) {
		done(core.Done{Token: a.Token, Err: err, BaseOffset: base})
	})
}

// Propose implements core.Host. Coordinators propose nothing.
func (l *ledHost) Propose(p core.Propose, done func(core.Done)) {
	done(core.Done{Token: p.Token, Err: errors.ErrUnsupported})
}

// Send implements core.Host.
func (l *ledHost) Send(s core.Send, answer func(core.Input)) {
	l.host.opts.Send(l.partition, s, answer)
}

// Do implements core.Host.
func (l *ledHost) Do(duty any) {
	l.host.opts.Install(l.partition, duty.(core.Install))
}

// Reset implements core.Host.
func (l *ledHost) Reset(err error) {
	l.host.opts.Logger.Warn("coordinator starts again from its log",
		"topic", l.host.opts.Topic, "partition", l.partition, "error", err)
	l.mu.Lock()
	l.handle, l.running = nil, make(chan struct{})
	ended := l.ctx.Err() != nil
	l.mu.Unlock()
	l.host.reset(l.partition)
	if !ended {
		l.host.again((*led)(l))
	}
}

func (h *Host) again(l *led) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.wg.Go(l.load)
	}
}
