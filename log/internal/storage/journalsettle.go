package storage

import (
	"math"
	"sync/atomic"
	"time"
)

// settler syncs the segments of what is durable in the journal alone, so that the
// journal can be overwritten and replay stays short. A log's turn comes when half of
// the journal has been written since its oldest entry, when that is older than
// Options.JournalAge, and when somebody wants the log synced (a checkpoint, a
// finished segment) while rounds go to the journal. It also makes journal files.
//
// It works beside the commit loop and a few files at a time: a round never waits
// for it, unless the round wants to sync the same segment.
type settler struct {
	d    *Disk
	j    *journal
	wake chan struct{} // of capacity 1
	quit chan struct{}
	done chan struct{}

	starved atomic.Bool // the commit loop waits for a file to become void
	resting atomic.Bool // it looks no more by itself: the next round with the journal pokes it
	paused  bool        // of the loop: it waited at the last turn, too, with nothing new for it
}

// settleParallel bounds the segments that are synced at once: more of them are
// faster, but hold up the journal's own sync.
const settleParallel = 4

// starvedPause is between looks for a file that has become void.
const starvedPause = 5 * time.Millisecond

func startSettler(d *Disk, j *journal) *settler {
	s := &settler{d: d, j: j, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go s.loop()
	return s
}

func (s *settler) stop() {
	close(s.quit)
	<-s.done
}

// poke has it look soon. It never waits.
func (s *settler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *settler) loop() {
	defer close(s.done)
	var later <-chan time.Time // nil while no log lags
	for {
		select {
		case <-s.quit:
			return
		case <-s.wake:
		case <-later:
		}
		later = nil
		if s.d.Err() != nil {
			continue
		}
		s.j.provide()
		s.resting.Store(true) // before the turn, which can overlook a round that ends meanwhile
		if s.turn(time.Now()) {
			s.resting.Store(false)
			later = time.After(s.d.o.JournalAge / 4)
		}
		if s.starved.Load() { // somebody else is at a log that is needed
			later = time.After(starvedPause)
		}
	}
}

// turn syncs what is due and finds the oldest round that is still needed. It
// reports whether something else will be due.
func (s *settler) turn(now time.Time) (lagging bool) {
	below := s.j.due.Load()
	if s.starved.Load() {
		below = math.MaxUint64 // not even the active file may be needed
	}
	var due []func() error
	for _, l := range s.d.openLogs() {
		if l.settleDue(below, now.Add(-s.d.o.JournalAge)) {
			due = append(due, l.settleNow)
		}
	}
	if err := runAll(due, settleParallel); err != nil {
		_ = s.d.fail(err)
		return false
	}
	// A round that is on its way has logs that do not say so yet.
	needed := s.j.done.Load() + 1
	for _, l := range s.d.openLogs() {
		if round := l.journalLag(); round > 0 {
			lagging = true
			needed = min(needed, round)
		}
	}
	needed = s.j.lowest(needed) // after the logs: one that is deleted is held before it is not there
	s.feed(s.j.needed.Swap(needed) < needed)
	return lagging
}

// feed has the commit loop look again if it waits for a file: at once if there is
// something new, else after a pause, for what is new may have come just before the
// loop said that it waits.
func (s *settler) feed(news bool) {
	waits := s.starved.Load()
	if waits && (news || s.paused) {
		s.starved.Store(false)
		s.d.commit.poke()
		waits = false
	}
	s.paused = waits
}

// settleDue reports whether the log's segments are to be synced now.
func (l *Log) settleDue(below uint64, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.syncWanted || l.journalRound > 0 && (l.journalRound < below || l.journalAt.Before(since))
}

// journalLag is the oldest round that has what no synced segment has, 0 for none.
func (l *Log) journalLag() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.journalRound
}

// settleNow syncs the log's segments, unless somebody else is at it.
func (l *Log) settleNow() error {
	if !l.syncing.tryLock() {
		return nil
	}
	err := l.syncNow()
	l.syncing.unlock()
	l.disk.commit.add(l) // it may have passed over the log meanwhile
	return err
}
