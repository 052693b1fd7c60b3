package replica

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/log/internal/core"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestCoreScripts plays testdata/core/*.txt: lines of inputs, each followed by what
// the core of node 1 did, indented. -update rewrites what it did.
//
//	lead epoch=N isr=1+2 [min=N] [start=N] end=N [durable=N]
//	append ID end=N [acks=1|all]
//	durable NODE END
//	cancel ID
//	resign
func TestCoreScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/core/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			input, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playCore(t, string(input))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(input) {
				t.Errorf("%s differs (-update rewrites it):\n%s", file, got)
			}
		})
	}
}

func playCore(t *testing.T, script string) string {
	var out strings.Builder
	c := NewCore(1)
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var duties core.Duties
		c.Step(0, parseInput(t, strings.Fields(line)), &duties)
		for _, d := range duties.List {
			switch do := d.Do.(type) {
			case core.Install:
				fmt.Fprintf(&out, "  high watermark %d\n", do.State)
			case core.Reply:
				fmt.Fprintf(&out, "  acknowledge %d", do.ID)
				if do.Response != nil {
					fmt.Fprintf(&out, ": %v", do.Response)
				}
				fmt.Fprintln(&out)
			}
			if d.After != 0 {
				t.Errorf("%s: a duty that waits", line)
			}
		}
	}
	return out.String()
}

func parseInput(t *testing.T, words []string) core.Input {
	t.Helper()
	args := map[string]int64{}
	var isr []int32
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		if key == "isr" {
			for part := range strings.SplitSeq(value, "+") {
				n, _ := strconv.Atoi(part)
				isr = append(isr, int32(n))
			}
		}
		args[key], _ = strconv.ParseInt(value, 10, 64)
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil {
			t.Fatal(words, err)
		}
		return n
	}
	switch words[0] {
	case "lead":
		durable, ok := args["durable"]
		if !ok {
			durable = args["end"]
		}
		return Lead{LeaderEpoch: int32(args["epoch"]), ISR: isr, MinInSync: int(max(args["min"], 1)), Start: args["start"], End: args["end"], Durable: durable}
	case "append":
		acks := AcksAll
		if args["acks"] == 1 {
			acks = AcksLeader
		}
		return Appended{ID: uint64(number(1)), End: args["end"], Acks: acks}
	case "durable":
		return Durable{Node: int32(number(1)), End: number(2)}
	case "cancel":
		return Cancel{ID: uint64(number(1))}
	case "resign":
		return Resign{Err: errNewEpoch}
	}
	t.Fatalf("no input %q", words[0])
	return nil
}
