package conformance

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programTime bounds one run of a client's program.
const programTime = 3 * time.Minute

// runSteps runs a client's program against an endpoint. It prints "ok NAME" or
// "not ok NAME -- reason" for each of its steps; each becomes a subtest.
func runSteps(t *testing.T, at endpoint, dir, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), at.env()...)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	steps := 0
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		if step, ok := strings.CutPrefix(lines.Text(), "ok "); ok {
			steps++
			t.Run(step, func(*testing.T) {})
		}
		if step, ok := strings.CutPrefix(lines.Text(), "not ok "); ok {
			steps++
			step, reason, _ := strings.Cut(step, " -- ")
			t.Run(step, func(t *testing.T) { t.Error(reason) })
		}
	}
	if err != nil || steps == 0 {
		t.Errorf("%s: %v after %d steps\n%s", name, err, steps, problems.String())
	}
}

// installed is a folder with a copy of the files and what install makes beside them.
// It is kept in the user's cache, by the files' content, so that a client is fetched
// once. The test is skipped, by the client's name, if it cannot be had.
func installed(t *testing.T, client string, files []string, install ...[]string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("%s: there is no folder to keep it in: %v", client, err)
	}
	sum := sha256.New()
	contents := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		contents[filepath.Base(f)] = b
		fmt.Fprintf(sum, "%s %d\n%s", f, len(b), b)
	}
	dir := filepath.Join(cache, "millrace-conformance", fmt.Sprintf("%s-%x", client, sum.Sum(nil)[:6]))
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skipf("%s: %v", client, err)
	}
	for name, b := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range install {
		ctx, cancel := context.WithTimeout(t.Context(), programTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("%s is not installed and cannot be: %s: %v\n%s", client, strings.Join(args, " "), err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// need skips the test, by name, if a program is not installed.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return path
}
