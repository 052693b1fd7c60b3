package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	millog "github.com/millrace/millrace/log"
	"github.com/millrace/millrace/log/client"
)

var killSeed = flag.Uint64("kill-seed", 0, "seed of the kill test; 0 draws one")

// survivors is the pipeline that is killed: a filter, float sums in windows, rows
// that are late, four partitions on either side. What the environment gives
// differs from life to life.
const survivors = `pipeline: survivors
options: {epoch_max: "${EPOCH}", checkpoint: 300ms, state_partitions: 8}
sources:
  events:
    topic: {name: events, batch_rows: "${READ}"}
    format: json
    schema: {user: string, amount: float64, at: timestamp(ms)}
    event_time: {field: at, out_of_order: 2s, idle: never}
operators:
  large:
    from: events
    filter: amount > 1.5
  per_user:
    from: large
    aggregate:
      by: [user]
      window: {tumbling: 10s, lateness: 1s}
      compute: {n: count(), total: sum(amount), mean: avg(amount), least: min(amount)}
      emit: on_close
sinks:
  totals: {from: per_user, topic: totals, key: user, format: json}
  late: {from: per_user.late, topic: late, format: json}
`

// Size of the input, and how often the process is killed at least.
const (
	killEvents     = 240_000
	killPartitions = 4
	killTimes      = 20
)

// TestKilledAgainAndAgain kills the real process with SIGKILL at random moments,
// starts it again, with other batch sizes and epoch lengths, and compares what a
// read_committed consumer sees with the output of a run that nobody disturbed.
func TestKilledAgainAndAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program and kills it for half a minute")
	}
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-kill-seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	bin := filepath.Join(t.TempDir(), "millrace")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/millrace").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	yaml := file(t, "survivors.yaml", survivors)

	calm := prepareInput(t)
	undisturbed := &life{bin: bin, yaml: yaml, dir: calm, epoch: 200 * time.Millisecond, read: "4096"}
	undisturbed.run(t, nil)
	want := readOutput(t, calm)

	rough := prepareInput(t)
	kills := 0
	seen := map[int64]bool{} // committed input after some of the kills
	for done := false; !done; {
		l := &life{bin: bin, yaml: yaml, dir: rough,
			epoch: time.Duration(5+rng.IntN(60)) * time.Millisecond, read: fmt.Sprint(1 + rng.IntN(8))}
		var kill moment
		switch {
		case kills == killTimes:
			l.read = "512" // the last life may hurry
		case kills%3 == 0: // while it starts and takes over
			kill = after(time.Duration(rng.IntN(150)) * time.Millisecond)
		default: // while it works
			kill = l.advanced(t, rng.Int64N(killEvents/25))
		}
		done = l.run(t, kill)
		if done {
			break
		}
		kills++
		if kills%4 == 0 { // the others are followed by a crash recovery of the real program
			withNode(t, rough, func(ctx context.Context, cl *client.Client) { seen[committed(ctx, cl)] = true })
		}
	}
	if len(seen) < 3 || seen[killEvents] {
		t.Fatalf("the kills did not come in the middle: committed input after every fourth was %v of %d", slices.Sorted(maps.Keys(seen)), killEvents)
	}
	t.Logf("%d kills, committed input after every fourth: %v", kills, slices.Sorted(maps.Keys(seen)))
	got := readOutput(t, rough)
	for _, topic := range []string{"totals", "late"} {
		if !slices.Equal(got[topic], want[topic]) {
			t.Errorf("%s: %d rows after %d kills, %d undisturbed, or others; run again with -kill-seed %d", topic, len(got[topic]), kills, len(want[topic]), seed)
		}
	}
	if len(want["totals"]) < 1000 || len(want["late"]) == 0 {
		t.Fatalf("the undisturbed run wrote %d totals and %d late rows: the test tests nothing", len(want["totals"]), len(want["late"]))
	}
}

// life is one run of the process.
type life struct {
	bin, yaml, dir string
	epoch          time.Duration
	read           string
}

// moment waits, in a process that listens on addr, until it is to be killed.
type moment func(addr string)

// after is some time after the process began to take over.
func after(d time.Duration) moment { return func(string) { time.Sleep(d) } }

// advanced is when at least so many more events are committed. A fixed time would
// come too late on a fast machine and too early on a slow one.
func (l *life) advanced(t *testing.T, events int64) moment {
	return func(addr string) {
		first := int64(-1)
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			now := l.committed(t, addr)
			if first < 0 {
				first = now
			}
			if first >= 0 && now >= min(first+events, killEvents) {
				return
			}
		}
	}
}

// run starts the process. Without a moment to be killed at it runs until it has
// read everything and is then ended by SIGTERM. It says whether that was so.
func (l *life) run(t *testing.T, kill moment) bool {
	t.Helper()
	addr := freeAddress(t)
	cmd := exec.Command(l.bin, "run", l.yaml, "--data", l.dir, "--listen", addr, "-v")
	cmd.Env = append(os.Environ(), "EPOCH="+l.epoch.String(), "READ="+l.read)
	var stderr lockedBuffer
	cmd.Stdout, cmd.Stderr = &bytes.Buffer{}, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	deadline := time.Now().Add(2 * time.Minute)
	for !strings.Contains(stderr.String(), "running survivors") {
		select {
		case err := <-exited:
			t.Fatalf("the process ended at its start: %v\n%s", err, stderr.String())
		case <-time.After(time.Millisecond):
		}
	}
	if kill != nil {
		kill(addr)
		_ = cmd.Process.Signal(syscall.SIGKILL)
		<-exited
		return false
	}
	for l.committed(t, addr) != killEvents {
		select {
		case err := <-exited:
			t.Fatalf("the process ended: %v\n%s", err, stderr.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the pipeline does not get to the end:\n%s", stderr.String())
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-exited; err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, stderr.String())
	}
	return true
}

// committed asks the process how many events its group has committed; -1 if it
// does not say.
func (l *life) committed(t *testing.T, addr string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := client.Connect(ctx, client.ConnectOptions{ClientID: "kill-test", Seeds: []string{addr}})
	if err != nil {
		return -1
	}
	defer conn.Close()
	return committed(ctx, client.New(conn.Cluster(), client.Options{}))
}

// committed is how many events the group has committed, -1 if nobody says.
func committed(ctx context.Context, cl *client.Client) int64 {
	at, err := cl.FetchOffsets(ctx, "survivors", false)
	if err != nil {
		return -1
	}
	var sum int64
	for tp, c := range at {
		if tp.Topic == "events" {
			sum += c.Offset
		}
	}
	return sum
}

// prepareInput makes a data directory whose log holds the events.
func prepareInput(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	withNode(t, dir, func(ctx context.Context, cl *client.Client) {
		if err := cl.EnsureTopics(ctx, client.TopicSpec{Name: "events", Partitions: killPartitions}, client.TopicSpec{Name: "totals", Partitions: killPartitions}); err != nil {
			t.Fatal(err)
		}
		p := cl.NewProducer(client.ProducerOptions{})
		defer p.Close()
		rng := rand.New(rand.NewPCG(99, 99)) // always the same events
		base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		for i := range killEvents {
			at := base + int64(i) - rng.Int64N(1500)
			if rng.IntN(500) == 0 {
				at -= 60_000
			}
			event := fmt.Sprintf(`{"user":"u%d","amount":%g,"at":%d}`, rng.IntN(100), rng.Float64()*10, at)
			if err := p.Append("events", int32(rng.IntN(killPartitions)), at, nil, []byte(event)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	})
	return dir
}

// readOutput is what a read_committed consumer sees, sorted, by topic.
func readOutput(t *testing.T, dir string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	addr, node := server(t, dir)
	defer node.stop(t)
	for _, topic := range []string{"totals", "late"} {
		o := millrace(t, "", "consume", topic, "--brokers", addr)
		o.want(t, 0)
		lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
		slices.Sort(lines)
		out[topic] = lines
	}
	return out
}

func withNode(t *testing.T, dir string, do func(context.Context, *client.Client)) {
	t.Helper()
	node, err := millog.Open(t.Context(), millog.Options{DataDir: filepath.Join(dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	do(t.Context(), client.New(node.Session(millog.SessionOptions{}), client.Options{}))
	if err := node.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
