package conformance

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const kgoPackage = "github.com/twmb/franz-go/pkg/kgo"

// gateTime is what the gate may spend on kgo's suite.
const gateTime = 4 * time.Minute

var (
	kgoRecords = flag.Int("kgo.records", 0, "records of each test of kgo's suite (0: 10000, with CONFORMANCE_FULL=1 500000)")
	kgoRun     = flag.String("kgo.run", "", "run only the tests of kgo's suite that match")
	kgoKill    = flag.Bool("kgo.kill", false, "kill the node with SIGKILL and restart it while kgo's suite runs (also by CONFORMANCE_FULL=1)")
	kgoSeed    = flag.Uint64("kgo.seed", 0, "seed of the moments at which the node is killed (0: a new one)")
)

// full asks for the long form of every test of this package.
func full() bool { return os.Getenv("CONFORMANCE_FULL") == "1" }

func records(short int) int {
	switch {
	case *kgoRecords > 0:
		return *kgoRecords
	case full():
		return 500_000
	}
	return short
}

// kgo's own integration suite, at the version that go.mod pins.
func TestKgoSuite(t *testing.T) {
	s := startServer(t, []string{"plaintext", "sasl_plaintext"}, firstUser(t)...)
	n := records(10_000)
	timeout := gateTime
	if full() || n > 10_000 {
		timeout = time.Hour
	}
	t.Logf("%d records per test", n)
	runKgo(t, s.addr(0), n, timeout, "allow/kgo.txt", "KGO_TEST_SCRAM_SEEDS="+s.addr(1), "KGO_TEST_SCRAM="+user+":"+password+":256")
}

// The same while the node is killed again and again: whatever was acknowledged must
// be there, once, when it is back. The suite takes a refused connection for a failure
// where it joins a group, with any broker, so its clients come through a door that
// stays open while the node is down.
func TestKgoSuiteUnderKill(t *testing.T) {
	if !*kgoKill && !full() {
		t.Skip("minutes: run it with -kgo.kill or CONFORMANCE_FULL=1")
	}
	seed := *kgoSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	n := records(100_000)
	t.Logf("%d records per test; the moments are those of -kgo.seed=%d", n, seed)
	door := openDoor(t)
	s := startServer(t, []string{"plaintext"}, "--advertise", door.addr())
	door.leadTo(s.addr(0))
	ctx, cancel := context.WithCancel(t.Context())
	killed := make(chan int)
	go func() { killed <- s.killAgainAndAgain(ctx, rand.New(rand.NewPCG(seed, 0))) }()
	runKgo(t, door.addr(), n, time.Hour, "allow/kgo-kill.txt")
	cancel()
	t.Logf("killed %d times", <-killed)
}

// How long a node lives before it is killed. A start gives every member its whole session
// again, as in Kafka; so a member that has gone for good is noticed only by a node that
// lives longer than a session, which is 20 s in the suite's classic groups and 45 s in
// consumer groups, and until then its partitions wait.
const minLife, maxLife = 50 * time.Second, 80 * time.Second

// killAgainAndAgain kills and restarts the node at random moments until ctx ends,
// and returns how often.
func (s *server) killAgainAndAgain(ctx context.Context, rng *rand.Rand) (times int) {
	for {
		select {
		case <-ctx.Done():
			return times
		case <-time.After(minLife + time.Duration(rng.Int64N(int64(maxLife-minLife)))):
		}
		s.stop(syscall.SIGKILL)
		times++
		if err := s.start(); err != nil {
			s.t.Errorf("restart %d after SIGKILL: %v", times, err)
			return times
		}
	}
}

// runKgo runs the suite against a node and judges it.
func runKgo(t *testing.T, broker string, records int, timeout time.Duration, allowList string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout+time.Minute)
	defer cancel()
	args := []string{"test", "-json", "-vet=off", "-count=1", "-timeout=" + timeout.String()}
	if *kgoRun != "" {
		args = append(args, "-run", *kgoRun)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, kgoPackage)...)
	cmd.Env = append(append(os.Environ(), env...), "KGO_SEEDS="+broker, "KGO_TEST_RF=1", "KGO_TEST_RECORDS="+strconv.Itoa(records))
	start := time.Now()
	runSuite(t, cmd, allowList)
	t.Logf("kgo's suite took %s", time.Since(start).Round(time.Second))
}
