package meta

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/log/internal/core"
)

// tickInterval is one unit of the quorum's time: an election is called after one to
// two seconds of silence.
const tickInterval = 100 * time.Millisecond

// maxQueued bounds the proposals that wait for the loop. It is what the driver lets
// be under way; should callers overtake that bound together, the shard waits for the
// loop, which waits for no shard.
const maxQueued = 1024

// loop is the goroutine that owns a Member: it hands it time and proposals, and
// carries out its effects.
type loop struct {
	member    *Member
	log       *PebbleLog
	meta      *Meta
	logger    *slog.Logger
	proposals chan proposal
	stop      chan struct{}
	once      sync.Once
	ended     chan struct{} // closed when run has returned
	failed    chan struct{} // closed when failure is set
	failure   error         // after which every proposal is refused
	led       chan struct{} // closed when the controller was first given the lead
	quorum    atomic.Pointer[Quorum]

	// Owned by run: callbacks of proposals in the log, by token.
	waiting map[core.Token]func(core.Done)
}

// proposal is a Propose of the controller on its way to the loop.
type proposal struct {
	core.Propose
	done func(core.Done)
}

func (l *loop) run() {
	defer close(l.ended)
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		if err := l.advance(); err != nil {
			l.fail(err)
			l.refuseAll()
			return
		}
		select {
		case p := <-l.proposals:
			l.propose(p)
			// What has queued up meanwhile goes into the same write.
			for range len(l.proposals) {
				l.propose(<-l.proposals)
			}
		case <-ticker.C:
			l.member.Tick()
		case <-l.stop:
			return
		}
	}
}

func (l *loop) propose(p proposal) {
	if err := l.member.Propose(p.Propose); err != nil {
		p.done(core.Done{Token: p.Token, Err: err})
		return
	}
	l.waiting[p.Token] = p.done
}

func (l *loop) advance() error {
	effects, err := l.member.Advance()
	if err == nil {
		err = l.log.Err() // also of what Pebble does when nobody writes
	}
	if err != nil {
		return err
	}
	if n := len(effects.Messages); n > 0 {
		return fmt.Errorf("raft has %d messages for a quorum of one", n)
	}
	l.showQuorum()
	if effects.Image != nil {
		if err := checkLevel(effects.Image); err != nil {
			return err
		}
		l.meta.install(effects.Image)
	}
	for _, d := range effects.Done {
		l.waiting[d.Token](d)
		delete(l.waiting, d.Token)
	}
	if effects.Resign {
		l.meta.handle.Deliver(Resign{})
	}
	if effects.Lead != nil {
		l.logger.Debug("leads the metadata quorum", "generation", effects.Lead.Generation, "index", effects.Lead.Image.Index())
		l.meta.handle.Deliver(*effects.Lead)
		if effects.Lead.Generation == 1 {
			close(l.led)
		}
	}
	return nil
}

// checkLevel refuses a feature level that this program does not know.
func checkLevel(im *Image) error {
	level := im.Feature(FeatureVersion)
	if _, known := LevelOf(level); !known {
		return fmt.Errorf("%w: the cluster is finalized at %s %d, this program knows %d at most: start a newer millrace",
			ErrUnknownRecord, FeatureVersion, level, LatestLevel())
	}
	return nil
}

// fail ends the member after an error: nothing is changed any more.
func (l *loop) fail(err error) {
	l.failure = err
	close(l.failed)
	l.logger.Error("metadata failed; the node must stop", "error", err)
	for token, done := range l.waiting {
		// Their order does not matter: each ends the controller's generation.
		done(core.Done{Token: token, Err: err})
	}
	if l.meta.opts.Fatal != nil {
		l.meta.opts.Fatal(err)
	}
}

// refuseAll answers what still comes after a failure, until close.
func (l *loop) refuseAll() {
	for {
		select {
		case p := <-l.proposals:
			p.done(core.Done{Token: p.Token, Err: l.failure})
		case <-l.stop:
			return
		}
	}
}

// close stops the loop and waits for it. The driver is closed before, so nobody
// waits for what is left.
func (l *loop) close() {
	l.once.Do(func() { close(l.stop) })
	<-l.ended
}

// controllerHost carries out the duties of the Controller on the driver's shard.
type controllerHost struct{ loop *loop }

func (h controllerHost) Append(core.Append, func(core.Done)) {
	panic("meta: the controller has no log partition")
}

func (h controllerHost) Propose(p core.Propose, done func(core.Done)) {
	h.loop.proposals <- proposal{p, done}
}

func (h controllerHost) Send(core.Send, func(core.Input)) {
	panic("meta: the controller sends nothing")
}
func (h controllerHost) Do(duty any) { panic(fmt.Sprintf("meta: the controller has no duty %T", duty)) }
func (h controllerHost) Reset(error) { panic("meta: the controller appends nothing") }
