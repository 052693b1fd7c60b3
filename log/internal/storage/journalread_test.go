package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

const testJournalBytes = 64 << 10

// testRound is a record of a journal that a test writes by hand.
type testRound struct {
	round, oldest uint64
	entries       []journalEntry
}

// batchAt is a batch of one value as the log has it at an offset.
func batchAt(offset int64, value string) []byte {
	b := plainBatch(value)
	record.SetBaseOffset(b, offset)
	record.SetLeaderEpoch(b, 0)
	return b
}

// appended is the entry of one value at an offset of log 0.
func appended(offset int64, value string) journalEntry {
	return journalEntry{kind: entryBatches, log: TopicPartition{topic, 0}, base: offset, batches: batchAt(offset, value)}
}

// writeJournal writes files of rounds, one file per list, and returns where each
// record begins.
func writeJournal(t *testing.T, m *vfs.Mem, files ...[]testRound) (at [][]int64) {
	t.Helper()
	dir := "/data/" + journalDir
	if err := vfs.MkdirAll(m, dir); err != nil {
		t.Fatal(err)
	}
	for i, rounds := range files {
		b := encodeJournalHeader(goldenSalt, testJournalBytes)
		var begins []int64
		for _, r := range rounds {
			var s staging
			s.buf = make([]byte, recordHeader)
			for _, e := range r.entries {
				s.entry(e.kind, e.log, e.epoch, e.base, len(e.batches))
				s.buf = append(s.buf, e.batches...)
			}
			begins = append(begins, int64(len(b)))
			b = append(b, sealRecord(s.buf, recordHead{count: s.count, salt: goldenSalt, round: r.round, oldest: r.oldest})...)
		}
		b = append(b, make([]byte, testJournalBytes-len(b))...)
		if err := vfs.WriteFile(m, fmt.Sprintf("%s/%06d", dir, i), b); err != nil {
			t.Fatal(err)
		}
		at = append(at, begins)
	}
	return at
}

// emptyLog makes a disk with log 0, which knows leader epoch 0, and closes it.
func emptyLog(t *testing.T, values ...string) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	if err := l.SetLeaderEpoch(0); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		mustAppend(t, l, plainBatch(v))
	}
	if err := n.Close(-1); err != nil {
		t.Fatal(err)
	}
	return m
}

// replayed opens the disk and returns log 0's values.
func replayed(t *testing.T, m *vfs.Mem) []string {
	t.Helper()
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	got := values(t, l, l.LogStart(), l.LogEnd())
	if err := n.Close(-1); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestReadJournal goes through what a crash may leave of a journal, and what not.
func TestReadJournal(t *testing.T) {
	abc := []testRound{{1, 1, []journalEntry{appended(0, "a")}}, {2, 1, []journalEntry{appended(1, "b")}}, {3, 1, []journalEntry{appended(2, "c")}}}
	flip := func(pos int64) func(t *testing.T, m *vfs.Mem) {
		return func(t *testing.T, m *vfs.Mem) { overwrite(t, m, "/data/journal/000000", pos, []byte{0xff}) }
	}
	for name, c := range map[string]struct {
		files  [][]testRound
		change func(t *testing.T, m *vfs.Mem)
		want   []string // nil: refused
		why    string
	}{
		"whole":      {files: [][]testRound{abc}, want: []string{"0=a", "1=b", "2=c"}},
		"two files":  {files: [][]testRound{abc[:1], abc[1:]}, want: []string{"0=a", "1=b", "2=c"}},
		"used again": {files: [][]testRound{abc[2:], abc[:2]}, want: []string{"0=a", "1=b", "2=c"}},
		"empty file": {files: [][]testRound{{}}, want: []string{}},
		"torn tail":  {files: [][]testRound{abc}, change: flip(3*journalPage + 50), want: []string{"0=a", "1=b"}},
		"what is void is not read": {
			files: [][]testRound{{abc[0], {2, 2, []journalEntry{appended(0, "other")}}}}, want: []string{"0=other"},
		},
		"a record from an earlier use of the file": {
			files: [][]testRound{{{7, 7, []journalEntry{appended(0, "now")}}, {3, 3, []journalEntry{appended(0, "then")}}}}, want: []string{"0=now"},
		},
		"damage before the last record": {files: [][]testRound{abc}, change: flip(2*journalPage + 50), why: "round 2 of 1 to 3 is missing"},
		"a file is missing":             {files: [][]testRound{abc[1:]}, why: "round 1 of 1 to 3 is missing"},
		"a damaged header":              {files: [][]testRound{abc}, change: flip(30), why: "checksum"},
		"a file that was cut": {files: [][]testRound{abc}, why: "12288 bytes of 65536", change: func(t *testing.T, m *vfs.Mem) {
			f, err := m.OpenAppend("/data/journal/000000")
			if err == nil {
				err = errors.Join(f.Truncate(3*journalPage), f.SyncData(), f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		"a newer format": {files: [][]testRound{abc}, why: "newer version", change: func(t *testing.T, m *vfs.Mem) {
			overwrite(t, m, "/data/journal/000000", 12, []byte{0, 2})
		}},
		"an unknown file": {files: [][]testRound{abc}, why: "newer version", change: func(t *testing.T, m *vfs.Mem) {
			if err := vfs.WriteFile(m, "/data/journal/index", nil); err != nil {
				t.Fatal(err)
			}
		}},
		"an unfinished file": {files: [][]testRound{abc}, want: []string{"0=a", "1=b", "2=c"}, change: func(t *testing.T, m *vfs.Mem) {
			if err := vfs.WriteFile(m, "/data/journal/000001"+vfs.TempSuffix, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}},
		"a batch that is none": {
			files: [][]testRound{{{1, 1, []journalEntry{{kind: entryBatches, log: TopicPartition{topic, 0}, batches: []byte("rubbish")}}}}}, why: "damaged",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := emptyLog(t)
			writeJournal(t, m, c.files...)
			if c.change != nil {
				c.change(t, m)
			}
			if c.want == nil {
				if _, err := tryDisk(m); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.why) {
					t.Fatalf("not refused because of %q: %v", c.why, err)
				}
				return
			}
			if got := replayed(t, m); !slices.Equal(got, c.want) {
				t.Fatalf("%q, want %q", got, c.want)
			}
			if names, err := m.List("/data/" + journalDir); err != nil || len(names) > 0 {
				t.Fatalf("the journal holds %q after replay (%v)", names, err)
			}
		})
	}
}

// overwrite damages a file in place; a single byte is flipped.
func overwrite(t *testing.T, m *vfs.Mem, name string, pos int64, with []byte) {
	t.Helper()
	b, err := vfs.ReadFile(m, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(with) == 1 {
		with = []byte{b[pos] ^ with[0]}
	}
	copy(b[pos:], with)
	if err := vfs.WriteFile(m, name, b); err != nil {
		t.Fatal(err)
	}
}

// TestClientsCannotForgeRecords: a value that is a record of the journal, on a page
// of its own, is not taken for one. Only the salt tells them apart.
func TestClientsCannotForgeRecords(t *testing.T) {
	m := emptyLog(t)
	forged := goldenRecord()
	copy(forged[16:], "guessed!")
	h, _ := parseRecordHead(forged, [8]byte([]byte("guessed!")), int64(len(forged)))
	binary.BigEndian.PutUint32(forged[4:], crc32.Checksum(forged[8:recordHeader+int(h.length)], castagnoli))
	writeJournal(t, m, []testRound{{1, 1, []journalEntry{appended(0, "a")}}})
	overwrite(t, m, "/data/journal/000000", 2*journalPage, forged)
	if got := replayed(t, m); !slices.Equal(got, []string{"0=a"}) {
		t.Fatal(got)
	}
}

// FuzzJournal opens a disk whose journal holds anything. It opens or is refused; if
// it opens, the journal is empty, the log in it is whole, and opening it again
// changes nothing.
func FuzzJournal(f *testing.F) {
	page := func(b []byte) []byte { return append(b, make([]byte, int(inPages(len(b)))-len(b))...) }
	f.Add([]byte(nil), false)
	f.Add(goldenRecord(), true)
	f.Add(append(page(goldenRecord()), goldenRecord()[:100]...), false)
	var s staging
	s.entry(entryBatches, TopicPartition{topic, 0}, 0, 0, len(batchAt(0, "a")))
	s.buf = append(s.buf, batchAt(0, "a")...)
	f.Add(sealRecord(s.buf, recordHead{count: 1, salt: goldenSalt, round: 1, oldest: 1}), true)
	f.Fuzz(func(t *testing.T, contents []byte, seal bool) {
		b := append(encodeJournalHeader(goldenSalt, testJournalBytes), contents[:min(len(contents), testJournalBytes-journalPage)]...)
		b = append(b, make([]byte, testJournalBytes-len(b))...)
		for pos := journalPage; seal && pos < len(b); pos += journalPage { // or the fuzzer would never get past a checksum
			copy(b[pos+16:], goldenSalt[:])
			if h, ok := parseRecordHead(b[pos:], goldenSalt, int64(len(b)-pos)); ok {
				binary.BigEndian.PutUint32(b[pos+4:], crc32.Checksum(b[pos+8:pos+recordHeader+int(h.length)], castagnoli))
			}
		}
		m := emptyLog(t, "first")
		if err := vfs.MkdirAll(m, "/data/"+journalDir); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFile(m, "/data/"+journalDir+"/000000", b); err != nil {
			t.Fatal(err)
		}
		n, err := tryDisk(m)
		if errors.Is(err, ErrRefused) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		l, err := n.OpenLog(topic, 0, Config{})
		if errors.Is(err, ErrCorrupt) {
			_ = n.Close(-1)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		before := describe(l)
		if _, err := readValues(l, 0, l.LogEnd(), 1000); err != nil {
			t.Fatal(err)
		}
		if err := n.Close(-1); err != nil {
			t.Fatal(err)
		}
		if names, _ := m.List("/data/" + journalDir); len(names) > 0 {
			t.Fatalf("the journal holds %q", names)
		}
		n = openDisk(t, m)
		if after := describe(openTestLog(t, n, Config{})); after != before {
			t.Fatalf("%s\nand opened again\n%s", before, after)
		}
	})
}
