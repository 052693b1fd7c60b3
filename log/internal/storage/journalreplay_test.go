package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// TestReplay puts journals against segments that went on, stayed behind, or are not
// what they were.
func TestReplay(t *testing.T) {
	forget := journalEntry{kind: entryForget, log: TopicPartition{topic, 0}, epoch: -1, base: -1}
	rounds := func(entries ...journalEntry) (list []testRound) {
		for i, e := range entries {
			list = append(list, testRound{uint64(i + 1), 1, []journalEntry{e}})
		}
		return list
	}
	for name, c := range map[string]struct {
		segment []string // what the log has
		rounds  []testRound
		want    []string
		says    string // logged
	}{
		"the journal is ahead":       {[]string{"a"}, rounds(appended(0, "a"), appended(1, "b")), []string{"0=a", "1=b"}, "replayed"},
		"the segment is ahead":       {[]string{"a", "b", "c"}, rounds(appended(0, "a"), appended(1, "b")), []string{"0=a", "1=b", "2=c"}, ""},
		"the segment has all of it":  {[]string{"a", "b"}, rounds(appended(0, "a"), appended(1, "b")), []string{"0=a", "1=b"}, ""},
		"cut since":                  {[]string{"a"}, rounds(appended(1, "b"), forget), []string{"0=a"}, ""},
		"cut and appended to since":  {[]string{"a"}, rounds(appended(1, "b"), forget, appended(1, "c")), []string{"0=a", "1=c"}, ""},
		"a sync in between":          {[]string{"a", "b"}, rounds(appended(0, "a"), appended(2, "c")), []string{"0=a", "1=b", "2=c"}, ""},
		"the last round did not end": {[]string{"a"}, rounds(appended(0, "a"), appended(2, "c")), []string{"0=a"}, "set aside"},
	} {
		t.Run(name, func(t *testing.T) {
			m := emptyLog(t, c.segment...)
			writeJournal(t, m, c.rounds)
			n := openDisk(t, m)
			l := openTestLog(t, n, Config{})
			if got := values(t, l, 0, l.LogEnd()); !slices.Equal(got, c.want) || !strings.Contains(n.logs.String(), c.says) {
				t.Fatalf("%q, want %q\n%s", got, c.want, n.logs)
			}
			if ticket := mustAppend(t, l, plainBatch("on")); ticket.BaseOffset != int64(len(c.want)) {
				t.Fatal(ticket)
			}
		})
	}
}

// TestReplayOfADeletedLog passes over it, and does not make it again.
func TestReplayOfADeletedLog(t *testing.T) {
	m := emptyLog(t)
	writeJournal(t, m, []testRound{{1, 1, []journalEntry{appended(0, "a")}}})
	if err := m.RemoveAll("/data/topics"); err != nil {
		t.Fatal(err)
	}
	n := openDisk(t, m)
	if list, err := n.Partitions(); err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
}

// TestReplayFindsLoss: the journal shows that more was durable than the segments
// have. The partition stays out of service, also at the next start, when the
// journal is empty; what the journal had is kept, and the other partitions are well.
func TestReplayFindsLoss(t *testing.T) {
	m := emptyLog(t, "a")
	other := appended(0, "x")
	other.log.Partition = 1
	n := openDisk(t, m)
	l, err := n.OpenLog(topic, 1, Config{})
	if err == nil {
		err = errors.Join(l.SetLeaderEpoch(0), n.Close(-1))
	}
	if err != nil {
		t.Fatal(err)
	}
	writeJournal(t, m, []testRound{{1, 1, []journalEntry{appended(2, "c"), other}}, {2, 1, []journalEntry{appended(3, "d")}}})
	for life := range 2 {
		n := openDisk(t, m)
		var damage *CorruptError
		if _, err := n.OpenLog(topic, 0, Config{}); !errors.As(err, &damage) || damage.Durable != 3 {
			t.Fatalf("life %d: %v", life, err)
		}
		l, err := n.OpenLog(topic, 1, Config{})
		if err != nil || l.LogEnd() != 1 {
			t.Fatalf("life %d: %v", life, err)
		}
		if err := n.Close(-1); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := vfs.ReadFile(m, "/data/quarantine/"+TopicPartition{topic, 0}.fileName(journalDir), 1<<20)
	if want := append(batchAt(2, "c"), batchAt(3, "d")...); err != nil || string(kept) != string(want) {
		t.Fatalf("%d bytes are kept, %d were in the journal (%v)", len(kept), len(want), err)
	}
}

// TestReplayOnAFullDisk: without room for what the journal has the disk does not
// open, says so, and opens once there is room.
func TestReplayOnAFullDisk(t *testing.T) {
	m := emptyLog(t)
	writeJournal(t, m, []testRound{{1, 1, []journalEntry{appended(0, strings.Repeat("a", 1000))}}})
	m.Limit(m.Used() + 500)
	if _, err := tryDisk(m); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "make room") {
		t.Fatal(err)
	}
	m.Limit(0)
	if got := replayed(t, m); len(got) != 1 {
		t.Fatal(got)
	}
}

// TestJournalTakesNoAcknowledgedBatchWithAFullDisk fills the disk under rounds that
// go to the journal: what was acknowledged survives the power cut that follows.
func TestJournalTakesNoAcknowledgedBatchWithAFullDisk(t *testing.T) {
	rng := randomSource(t)
	m := vfs.NewMem()
	n := openDisk(t, m, func(o *Options) {
		o.Journal, o.JournalFileBytes, o.JournalFiles, o.JournalAge, o.MinFreeBytes = JournalOn, testJournalBytes, 2, time.Hour, 1
	})
	var logs []*Log
	for i := range int32(5) {
		l, err := n.OpenLog(topic, i, Config{SegmentBytes: 4000})
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, l)
		mustAppend(t, l, plainBatch("x"))
		durable(t, l, 1)
	}
	m.Limit(m.Used() + 20_000)
	full := 0
	for i := range 2000 {
		l := logs[i%len(logs)]
		ticket, err := l.Append(plainBatch(fmt.Sprint(i), strings.Repeat("y", 80)), AppendOptions{Origin: Coordinator})
		if errors.Is(err, ErrFull) && errors.Is(err, syscall.ENOSPC) {
			if full++; full > 20 {
				break
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		durable(t, l, ticket.LastOffset+1)
	}
	if full <= 20 || n.Err() != nil {
		t.Fatal("never full, or failed", n.Err())
	}
	var ends []int64
	for _, l := range logs {
		ends = append(ends, l.Durable())
	}
	clone := m.CrashClone(rng)
	clone.Limit(0)
	after := openDisk(t, clone)
	for i, end := range ends {
		l, err := after.OpenLog(topic, int32(i), Config{SegmentBytes: 4000})
		if err != nil || l.LogEnd() < end {
			t.Fatalf("log %d: %v, %d was acknowledged", i, err, end)
		}
	}
	// On the full disk a log can be deleted, which makes room for the others.
	if err := n.DeleteLog(topic, 0); err != nil {
		t.Fatal(err)
	}
	m.Limit(0)
	ticket := mustAppend(t, logs[1], plainBatch("again"))
	durable(t, logs[1], ticket.LastOffset+1)
}

// TestQuarantineKeepsWhatTheJournalHas: a partition is set aside while its last
// appends are durable in the journal alone. They are in the files that are kept, after
// a power cut too, and a log that is made again under that name gets none of them.
func TestQuarantineKeepsWhatTheJournalHas(t *testing.T) {
	m := vfs.NewMem()
	n, logs := journalDisk(t, m, 4, func(o *Options) { o.Journal, o.JournalAge = JournalOn, time.Hour })
	roundOver(t, logs)
	roundOver(t, logs)
	if logs[0].journalLag() == 0 {
		t.Fatal("the round did not go to the journal")
	}
	if err := n.QuarantineLog(topic, 0, "a test"); err != nil {
		t.Fatal(err)
	}
	clone := m.CrashClone(randomSource(t))
	kept, err := vfs.ReadFile(clone, "/data/quarantine/"+TopicPartition{topic, 0}.fileName("")+"/00000000000000000000.log", 1<<20)
	if want := 2 * len(plainBatch("x")); err != nil || len(kept) != want {
		t.Fatalf("%d bytes of %d are kept (%v)", len(kept), want, err)
	}
	_, again := journalDisk(t, clone, 1)
	if again[0].LogEnd() != 0 {
		t.Fatalf("the new log ends at %d", again[0].LogEnd())
	}
}

// TestReplayUnderEveryPolicy: the node is started with another policy after a crash.
// What was acknowledged under the old one is there, and no journal is left.
func TestReplayUnderEveryPolicy(t *testing.T) {
	for _, policy := range []SyncPolicy{Interval, OS} {
		m := emptyLog(t)
		writeJournal(t, m, []testRound{{1, 1, []journalEntry{appended(0, "a")}}})
		n := openDisk(t, m, func(o *Options) { o.Policy = policy })
		l := openTestLog(t, n, Config{})
		if got := values(t, l, 0, l.LogEnd()); !slices.Equal(got, []string{"0=a"}) {
			t.Errorf("%v: %q", policy, got)
		}
		if names, err := m.List("/data/" + journalDir); err != nil || len(names) > 0 {
			t.Errorf("%v: the journal holds %q (%v)", policy, names, err)
		}
	}
}
