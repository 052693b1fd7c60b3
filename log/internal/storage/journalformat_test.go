package storage

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldenRecord is a record with an entry of each kind.
func goldenRecord() []byte {
	var s staging
	id := TopicPartition{topic, 3}
	batch := plainBatch("x")
	s.entry(entryBatches, id, 4, 1000, len(batch))
	s.buf = append(s.buf, batch...)
	s.entry(entryForget, id, -1, -1, 0)
	return sealRecord(s.buf, recordHead{count: s.count, salt: goldenSalt, round: 7, oldest: 5})
}

var goldenSalt = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}

// TestJournalFormatStaysAsItIs compares a file's first page and a record, without
// the zeros behind them, with testdata/format, and reads what is there. A difference
// is a new format: it needs a new version, and code that reads the old one.
func TestJournalFormatStaysAsItIs(t *testing.T) {
	for _, g := range []struct {
		name  string
		bytes []byte
		check func(t *testing.T, b []byte)
	}{
		{"journal-header", encodeJournalHeader(goldenSalt, 32<<20)[:journalHeader], checkGoldenHeader},
		{"journal-record", bytes.TrimRight(goldenRecord(), "\x00"), checkGoldenRecord},
	} {
		name := filepath.Join("testdata", "format", g.name+".hex")
		got := dump(g.bytes)
		if *update {
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
		g.check(t, append(b, make([]byte, journalPage-len(b))...))
	}
}

func checkGoldenHeader(t *testing.T, page []byte) {
	if salt, size, err := decodeJournalHeader(page); err != nil || salt != goldenSalt || size != 32<<20 {
		t.Error(salt, size, err)
	}
}

func checkGoldenRecord(t *testing.T, page []byte) {
	h, ok := parseRecordHead(page, goldenSalt, journalPage)
	if !ok || h.round != 7 || h.oldest != 5 || h.count != 2 || !recordIsWhole(page[:recordHeader+h.length]) {
		t.Fatalf("%+v %v", h, ok)
	}
	var kinds []entryKind
	err := walkEntries(page[recordHeader:recordHeader+h.length], h.count, func(e journalEntry, _ int) error {
		kinds = append(kinds, e.kind)
		if e.log != (TopicPartition{topic, 3}) || e.kind == entryBatches && (e.base != 1000 || e.epoch != 4 || !bytes.Equal(e.batches, plainBatch("x"))) {
			t.Errorf("%+v", e)
		}
		return nil
	})
	if err != nil || len(kinds) != 2 {
		t.Error(kinds, err)
	}
}

// TestJournalRecordsAreChecked: no flipped bit, other salt or shorter file passes
// for a record.
func TestJournalRecordsAreChecked(t *testing.T) {
	good := goldenRecord()
	h, _ := parseRecordHead(good, goldenSalt, int64(len(good)))
	whole := recordHeader + int(h.length)
	for i := range whole {
		b := bytes.Clone(good)
		b[i] ^= 0x10
		h, ok := parseRecordHead(b, goldenSalt, int64(len(b)))
		if ok && recordIsWhole(b[:recordHeader+int(h.length)]) {
			t.Errorf("a flipped bit in byte %d passes", i)
		}
	}
	if _, ok := parseRecordHead(good, [8]byte{9}, int64(len(good))); ok {
		t.Error("a record of another process passes")
	}
	if _, ok := parseRecordHead(good, goldenSalt, int64(whole-1)); ok {
		t.Error("a record that is longer than its file passes")
	}
}
