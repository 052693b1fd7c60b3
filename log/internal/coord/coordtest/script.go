package coordtest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the expected output of scripts")

// Script runs every testdata/*.txt, each in a subtest with a fresh machine. A script
// is blocks, separated by empty lines: command lines, a line "----", and the output
// that they must have. Lines that begin with # are comments. With -update the output
// is rewritten, to be reviewed like code.
func Script(t *testing.T, machine func(t *testing.T) func(Command) string) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			runScript(t, file, machine(t))
		})
	}
}

func runScript(t *testing.T, file string, run func(Command) string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for i, block := range strings.Split(strings.TrimRight(string(text), "\n"), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		commands, want, has := strings.Cut(block, "----")
		var got strings.Builder
		ran := false
		for line := range strings.Lines(commands) {
			out.WriteString(strings.TrimRight(line, "\n") + "\n")
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			ran = true
			got.WriteString(run(parseCommand(t, line)))
		}
		if !ran {
			continue
		}
		out.WriteString("----\n" + got.String())
		if want = strings.TrimPrefix(want, "\n"); !*update && (!has || strings.TrimRight(want, "\n") != strings.TrimRight(got.String(), "\n")) {
			t.Fatalf("%s: after\n%s\ngot\n%s\nwant\n%s", file, commands, got.String(), want)
		}
	}
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Command is a line of a script: a verb, words, and options of the form name=value.
type Command struct {
	Verb    string
	Words   []string
	options map[string]string
	t       *testing.T
	line    string
}

func parseCommand(t *testing.T, line string) Command {
	fields := strings.Fields(line)
	c := Command{Verb: fields[0], options: map[string]string{}, t: t, line: line}
	for _, f := range fields[1:] {
		if name, value, ok := strings.Cut(f, "="); ok && !strings.Contains(name, "/") {
			c.options[name] = value
		} else {
			c.Words = append(c.Words, f)
		}
	}
	return c
}

// Word is the i-th word; the test fails if there is none.
func (c Command) Word(i int) string {
	if i >= len(c.Words) {
		c.Fail("too few words")
	}
	return c.Words[i]
}

// Has reports whether a word or an option is there.
func (c Command) Has(name string) bool {
	_, ok := c.options[name]
	for _, w := range c.Words {
		ok = ok || w == name
	}
	return ok
}

// String is an option's value, or def.
func (c Command) String(name, def string) string {
	if v, ok := c.options[name]; ok {
		return v
	}
	return def
}

// Int is an option's value as a number, or def.
func (c Command) Int(name string, def int64) int64 {
	v, ok := c.options[name]
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		c.Fail(err.Error())
	}
	return n
}

// Duration is an option's value as a duration, or def.
func (c Command) Duration(name string, def time.Duration) time.Duration {
	v, ok := c.options[name]
	if !ok {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		c.Fail(err.Error())
	}
	return d
}

// Partition reads "topic/partition" or "topic/partition=value".
func (c Command) Partition(word string) (topic string, partition int32, value string) {
	name, value, _ := strings.Cut(word, "=")
	topic, p, ok := strings.Cut(name, "/")
	n, err := strconv.ParseInt(p, 10, 32)
	if !ok || err != nil {
		c.Fail("want topic/partition, got " + word)
	}
	return topic, int32(n), value
}

// Fail ends the test at this line.
func (c Command) Fail(why string) {
	c.t.Helper()
	c.t.Fatalf("%q: %s", c.line, why)
}
