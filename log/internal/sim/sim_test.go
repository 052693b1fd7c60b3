package sim_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/log/internal/sim"
)

// calm is a run without faults.
var calm = sim.Options{Safety: time.Second, Liveness: time.Second, Drop: -1, Duplicate: -1, FaultEvery: time.Hour}

func TestBrokenInvariantIsFound(t *testing.T) {
	s := sim.New(1, calm)
	broken := false
	s.After(300*time.Millisecond, func() { broken = true })
	s.Check("it holds", func() error {
		if broken {
			return errors.New("it broke")
		}
		return nil
	})
	if err := s.Play(); err == nil || err.Error() != "at 300ms: it holds: it broke" {
		t.Errorf("played to the end: %v", err)
	}
}

func TestMissedGoalIsFound(t *testing.T) {
	s := sim.New(1, calm)
	s.Goal("the impossible", func() bool { return false })
	if err := s.Play(); err == nil || !strings.Contains(err.Error(), "no progress: the impossible") {
		t.Errorf("played to the end: %v", err)
	}
}

func TestEventsOfAnEndedLifeAreDropped(t *testing.T) {
	s := sim.New(1, calm)
	var happened []string
	n := s.Node(1, func(n *sim.Node) {
		life := n.Life()
		n.OnCrash(func() { happened = append(happened, "crash") })
		n.After(100*time.Millisecond, func() { happened = append(happened, "early") })
		n.After(300*time.Millisecond, func() {
			if life == 1 {
				t.Error("an event outlived its node")
			}
			happened = append(happened, "late")
		})
	})
	s.After(200*time.Millisecond, n.Crash)
	s.After(250*time.Millisecond, n.Crash) // it is down already
	s.After(500*time.Millisecond, n.Restart)
	if err := s.Play(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"early", "crash", "early", "late"}; !slices.Equal(happened, want) {
		t.Errorf("%q", happened)
	}
}

func TestMessagesInTheSafetyPhase(t *testing.T) {
	s := sim.New(1, sim.Options{Safety: 10 * time.Second, Liveness: 10 * time.Second, Drop: 0.2, Duplicate: 0.2, FaultEvery: time.Hour})
	from, to := s.Node(1, func(*sim.Node) {}), s.Node(2, func(*sim.Node) {})
	var got [2]int // by phase sent in
	send := func() {
		phase := s.Phase()
		s.Send(from, to, func() { got[phase]++ })
	}
	for i := range 1000 {
		s.After(time.Duration(i)*time.Millisecond, send)
		s.After(11*time.Second+time.Duration(i)*time.Millisecond, send)
	}
	if err := s.Play(); err != nil {
		t.Fatal(err)
	}
	// 1000 messages, a fifth of them twice, a fifth of all copies lost.
	if got[sim.Safety] < 900 || got[sim.Safety] > 1020 {
		t.Errorf("%d messages arrived under faults", got[sim.Safety])
	}
	if got[sim.Liveness] != 1000 {
		t.Errorf("%d messages arrived without", got[sim.Liveness])
	}
}

func TestLogLosesWhatIsNotDurable(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(50) {
		s := sim.New(seed, calm)
		var log *sim.Log
		acknowledged := int64(0)
		n := s.Node(1, func(n *sim.Node) {
			n.OnCrash(func() { log.Crash() })
			if n.Life() > 1 {
				return
			}
			n.Every(3*time.Millisecond, func() {
				log.Append(n, []byte("x"), 2, func(base int64, err error) {
					if err != nil {
						t.Error(err)
					}
					acknowledged = base + 2
				})
			})
		})
		log = s.NewLog()
		s.After(100*time.Millisecond, func() {
			before := log.End()
			n.Crash()
			if log.End() < acknowledged {
				t.Errorf("seed %d: %d was acknowledged, the log ends at %d", seed, acknowledged, log.End())
			}
			if log.End() < before {
				lost++
			} else {
				kept++
			}
		})
		if err := s.Play(); err != nil {
			t.Fatal(err)
		}
		if len(log.Durable()) != len(log.Batches()) {
			t.Errorf("seed %d: what survived a crash is not durable", seed)
		}
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d crashes lost something, %d nothing", lost, kept)
	}
}
