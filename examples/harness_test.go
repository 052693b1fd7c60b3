// Package examples holds no code of its own: its tests run what stands in the
// folders below, and what README.md promises, through the command line.
package examples

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/cli"
)

// millrace runs a command to its end and fails the test if that is not a good one.
func millrace(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, msg bytes.Buffer
	if status := cli.Run(ctx, args, strings.NewReader(""), &out, &msg); status != 0 {
		t.Fatalf("millrace %s: status %d\n%s", strings.Join(args, " "), status, msg.String())
	}
	return out.String(), msg.String()
}

var listening = regexp.MustCompile(`listening on (\S+)`)

// topics starts a node over a data directory and reads topics as a client would:
// the JSON values of their committed records.
func topics(t *testing.T, data string, names ...string) map[string][]map[string]any {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"server", "--data", data, "--listen", "127.0.0.1:0", "--admin-listen", "none"}, strings.NewReader(""), io.Discard, w)
		w.Close()
	}()
	first := make([]byte, 1024)
	n, err := r.Read(first)
	go io.Copy(io.Discard, r) //nolint:errcheck // a pipe that the node's end closes
	found := listening.FindSubmatch(first[:n])
	if err != nil || found == nil {
		t.Fatalf("the node said %q (%v)", first[:n], err)
	}
	all := map[string][]map[string]any{}
	for _, name := range names {
		out, _ := millrace(t, "consume", name, "--brokers", string(found[1]))
		for line := range strings.Lines(out) {
			var row map[string]any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatalf("%s holds %q: %v", name, line, err)
			}
			all[name] = append(all[name], row)
		}
	}
	cancel()
	if status := <-ended; status != 0 {
		t.Errorf("the node ended with %d", status)
	}
	return all
}

// tableRows are the rows of a printed table, sorted, with a comma between cells,
// and the columns that its headings name.
func tableRows(printed string) (columns string, rows []string) {
	columns = strings.Join(strings.Fields(strings.SplitN(printed, "\n", 2)[0]), ",")
	for line := range strings.Lines(printed) {
		if row := strings.Join(strings.Fields(line), ","); row != columns && row != "" {
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	return columns, rows
}

// csvRows are the rows of a CSV file, sorted, and its heading.
func csvRows(t *testing.T, path string) (columns string, rows []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(records) < 2 {
		t.Fatalf("%s: %d records, %v", path, len(records), err)
	}
	for _, r := range records[1:] {
		rows = append(rows, strings.Join(r, ","))
	}
	slices.Sort(rows)
	return strings.Join(records[0], ","), rows
}
