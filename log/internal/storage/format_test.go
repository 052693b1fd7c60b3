package storage

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/log/record"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenFile is one file of each kind, with known contents.
type goldenFile struct {
	name, kind string
	bytes      []byte
	check      func(payload []byte) error // that this program still reads it
}

func goldenFiles() []goldenFile {
	id := Identity{NodeID: 7}
	for i := range 16 {
		id.ClusterID[i], id.DirectoryID[i] = byte(i), byte(0xf0+i)
	}
	epochs := epochCache{{0, 0}, {3, 1000}, {4, 1 << 40}}
	x := &segmentIndex{
		offsets: []offsetEntry{{0, 0}, {90, 16400}, {200, 33000}},
		times:   []timeEntry{{1_700_000_000_000, 90}, {1_700_000_000_500, 200}},
		aborted: []abortedEntry{{77, 1010, 1150, 1120}},
		maxMs:   1_700_000_000_700, maxRel: 205,
	}
	s := &segment{base: 1000, end: 1210, size: 35000, maxMs: x.maxMs, firstMs: 1_700_000_001_000, lastMs: 1_700_000_002_000, aborted: 1}
	producers := newProducerTable()
	producers.apply(&record.Header{ProducerID: 77, ProducerEpoch: 2, BaseSequence: 5, LastOffsetDelta: 3, BaseOffset: 1200,
		MaxTimestamp: 1_700_000_000_700, Attributes: record.AttrTransactional}, record.Control{}, 1_700_000_002_000)
	c := checkpoint{end: s.end, segments: []segment{{base: 0, end: 1000, size: 900, maxMs: 5, firstMs: 6, lastMs: 7}, *s}, index: x, producers: producers.encode(s.end)}
	d := func(read func(*decoder)) func([]byte) error {
		return func(payload []byte) error {
			d := decoder{b: payload}
			read(&d)
			return d.end()
		}
	}
	files := []goldenFile{
		{"node", kindNode, encodeNode(id), func(p []byte) error { _, err := decodeNode(p); return err }},
		{"clean", kindClean, []byte{0, 0, 0, 0, 0, 0, 0, 42}, d(func(d *decoder) { d.i64() })},
		{"leader-epochs", kindEpochs, epochs.encode(), func(p []byte) error { _, err := decodeEpochs(p); return err }},
		{"log-start", kindStart, []byte{0, 0, 0, 0, 0, 0, 4, 0}, d(func(d *decoder) { d.i64() })},
		{"checkpoint", kindCheckpoint, c.encode(), func(p []byte) error { _, err := decodeCheckpoint(p); return err }},
		{"index", kindIndex, x.encodeOffsets(s), func(p []byte) error { _, err := newSegmentIndex().decodeOffsets(p, s); return err }},
		{"timeindex", kindTimes, x.appendTimes(nil), d(func(d *decoder) { newSegmentIndex().readTimes(d) })},
		{"txnindex", kindAborted, x.appendAborted(nil), d(func(d *decoder) { newSegmentIndex().readAborted(d) })},
		{"snapshot", kindProducers, producers.encode(s.end), func(p []byte) error { _, _, err := decodeProducers(p); return err }},
	}
	swap := swapManifest{base: 1000, end: 1900, size: 35000, replaced: []int64{1210, 1400}}
	files = append(files,
		goldenFile{"swap", kindSwap, swap.encode(), func(p []byte) error { _, err := decodeSwap(p); return err }},
		goldenFile{"cleaner", kindCleaner, encodeDirty(1900), d(func(d *decoder) { d.i64() })})
	for i := range files {
		files[i].bytes = appendFrame(nil, files[i].kind, files[i].bytes)
	}
	return files
}

// TestFormatsStayAsTheyAre compares every file of ours, byte for byte, with
// testdata/format, and reads what is there. A difference is a new format: it needs
// a new version, and code that reads the old one.
func TestFormatsStayAsTheyAre(t *testing.T) {
	for _, g := range goldenFiles() {
		name := filepath.Join("testdata", "format", g.name+".hex")
		got := dump(g.bytes)
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", g.name, got, want)
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(string(want)), ""))
		if err != nil {
			t.Fatal(err)
		}
		payload, err := parseFrame(b, g.kind)
		if err == nil {
			err = g.check(payload)
		}
		if err != nil {
			t.Errorf("%s is not read any more: %v", g.name, err)
		}
	}
}

// dump has sixteen bytes a line.
func dump(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(16, len(b))
		fmt.Fprintf(&out, "% x\n", b[:n])
		b = b[n:]
	}
	return out.String()
}

func TestFramesAreChecked(t *testing.T) {
	good := appendFrame(nil, kindStart, []byte("12345678"))
	for i := range good {
		b := append([]byte(nil), good...)
		b[i] ^= 0x10
		if _, err := parseFrame(b, kindStart); !errors.Is(err, errFrame) && !errors.Is(err, errNewer) {
			t.Errorf("a flipped bit in byte %d: %v", i, err)
		}
		if _, err := parseFrame(good[:i], kindStart); !errors.Is(err, errFrame) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
	if _, err := parseFrame(good, kindNode); !errors.Is(err, errFrame) {
		t.Error("another kind:", err)
	}
}
