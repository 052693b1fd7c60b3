package soak

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The checker finds nothing in a history of a node that does what it should, and each
// thing that it is for in one where a single event is otherwise.
func TestChecker(t *testing.T) {
	if v := check(goodHistory()); len(v.Faults) > 0 {
		t.Fatalf("found in a history without faults:\n%s", strings.Join(v.Faults, "\n"))
	}
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			h := goodHistory()
			m.change(h)
			v := check(h)
			if !slices.ContainsFunc(v.Faults, func(f string) bool { return strings.HasPrefix(f, m.fault+": ") }) {
				t.Errorf("%q was not found, but\n%s", m.fault, strings.Join(v.Faults, "\n"))
			}
		})
	}
}

// A history that was saved is the same when it is read.
func TestHistoryIsKept(t *testing.T) {
	h := goodHistory()
	path, err := h.save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	back, err := readHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(check(back).counts), fmt.Sprint(check(h).counts); got != want || len(back.Events) != len(h.Events) {
		t.Errorf("of %d events %d came back: %s, want %s", len(h.Events), len(back.Events), got, want)
	}
}

var (
	logP  = partition{"log", 0}
	keysP = partition{"keys", 0}
	inP   = partition{"in", 0}
	outP  = partition{"out", 0}
)

// teller writes a history by hand: each event takes a millisecond.
type teller struct {
	h    *history
	at   time.Duration
	seqs map[string]int
}

func (w *teller) tell(who string, e event) *event {
	e.Who, e.Begin, e.End = who, w.at, w.at+time.Millisecond
	w.at += 2 * time.Millisecond
	w.h.Events = append(w.h.Events, e)
	return &w.h.Events[len(w.h.Events)-1]
}

// sends is a record that is acknowledged at its offset.
func (w *teller) sends(who string, p partition, at int64, change ...func(*appended)) {
	w.seqs[who]++
	a := &appended{ID: fmt.Sprintf("%s.%d", who, w.seqs[who]), In: p, Sum: uint32(w.seqs[who]), Producer: who, Seq: w.seqs[who], Exact: true, Offset: at}
	for _, c := range change {
		c(a)
	}
	w.tell(who, event{Append: a})
}

// look are the records of a log as somebody finds them, of all that was sent.
func (w *teller) look(p partition, from int64, without ...string) (all []seen) {
	for _, e := range w.h.Events {
		if a := e.Append; a != nil && a.In == p && a.Offset >= from && !slices.Contains(without, a.ID) {
			all = append(all, seen{Offset: a.Offset, ID: a.ID, Sum: a.Sum, Stamp: 7})
		}
	}
	slices.SortFunc(all, func(a, b seen) int { return int(a.Offset - b.Offset) })
	return all
}

func (w *teller) scans(p partition, final, readCommitted bool, start, end int64, without ...string) {
	w.tell("scanner", event{Scan: &scanned{In: p, Committed: readCommitted, Final: final, Covered: []span{{start, end}}, Seen: w.look(p, start, without...),
		Marks: []marks{{w.at, w.at, start, end, end}}}})
}

// goodHistory has a bit of everything.
//
//	log   0 1 2 plain.1 to .3; 3 4 good#1 (committed) 5 its marker; 6 bad#1 (aborted)
//	      7 its marker; 8 9 plain.4, .5. Then all below 2 is deleted.
//	keys  0 k=keys.1, 1 j=keys.2, 2 k=keys.3, 3 j deleted by keys.4
//	in    0 1 feed.1, .2, of which a group has taken the first; out: its two outputs
func goodHistory() *history {
	w := &teller{h: newHistory(1, "always"), seqs: map[string]int{}}
	w.h.Topics = map[string]topic{"log": {Partitions: 1}, "keys": {Partitions: 1, Compacted: true, DeleteRetention: time.Second}, "in": {Partitions: 1}, "out": {Partitions: 1}}
	in := func(txn string) func(*appended) { return func(a *appended) { a.Txn = txn } }
	for at := range int64(3) {
		w.sends("plain", logP, at)
	}
	w.sends("good", logP, 3, in("good#1"))
	w.scans(logP, false, false, 0, 4)
	w.sends("good", logP, 4, in("good#1"))
	w.tell("good", event{Txn: &ended{"good#1", isCommitted}})
	w.sends("bad", logP, 6, in("bad#1"))
	w.tell("bad", event{Txn: &ended{"bad#1", isAborted}})
	w.sends("plain", logP, 8)
	w.tell("tail", event{Poll: &polled{In: logP, Committed: true, Seen: w.look(logP, 0, "bad.1")}})
	w.tell("member", event{Poll: &polled{In: logP, Group: "group", Seen: w.look(logP, 0)[:3]}})
	w.tell("member", event{Commit: &committed{"group", logP, 2, true, false}})
	w.tell("watcher", event{Committed: &committed{"group", logP, 2, true, false}})
	w.tell("member", event{Commit: &committed{"group", logP, 3, true, false}})
	w.tell("watcher", event{Committed: &committed{"group", logP, 3, true, true}})
	w.tell("trimmer", event{Delete: &deleted{logP, 2, 2}})
	w.sends("plain", logP, 9)
	w.tell("tail", event{Poll: &polled{In: logP, Committed: true, Seen: w.look(logP, 9)}})

	key := func(k string, tombstone bool) func(*appended) {
		return func(a *appended) { a.Key, a.Tombstone = k, tombstone }
	}
	w.sends("keys", keysP, 0, key("k", false))
	w.sends("keys", keysP, 1, key("j", false))
	w.scans(keysP, false, false, 0, 2)
	w.sends("keys", keysP, 2, key("k", false))
	w.sends("keys", keysP, 3, key("j", true))

	w.sends("feed", inP, 0)
	w.sends("feed", inP, 1)
	for part := range outputsOfEach {
		w.sends("out", outP, int64(part), in("out#1"), func(a *appended) { a.Source = fmt.Sprintf("%s#%d", source(transforms, inP, 0), part) })
	}
	w.tell("out", event{Txn: &ended{"out#1", isCommitted}})
	w.tell("out", event{Poll: &polled{In: inP, Group: transforms, Committed: true, Seen: w.look(inP, 0)}})
	w.tell("watcher", event{Committed: &committed{transforms, inP, 1, true, true}})
	w.tell("churner", event{Lookup: &lookup{"churn#1", true, true}})
	w.tell("churner", event{Lookup: &lookup{"churn#1", false, false}})

	w.scans(logP, true, false, 2, 10)
	w.scans(logP, true, true, 2, 10, "bad.1")
	w.scans(keysP, true, false, 0, 4, "keys.1", "keys.2")
	w.scans(keysP, true, true, 0, 4, "keys.1", "keys.2")
	w.scans(inP, true, true, 0, 2)
	w.scans(outP, true, true, 0, 3)
	return w.h
}

// mutation is a change to the good history, and what must be found then.
type mutation struct {
	fault  string
	change func(*history)
}

// sent finds a record's event.
func (h *history) sent(id string) *event {
	return h.find(func(e *event) bool { return e.Append != nil && e.Append.ID == id })
}

func (h *history) find(is func(*event) bool) *event {
	for i := range h.Events {
		if is(&h.Events[i]) {
			return &h.Events[i]
		}
	}
	panic("no such event")
}

// finalScan finds the last look at a log.
func (h *history) finalScan(p partition, readCommitted bool) *scanned {
	return h.find(func(e *event) bool {
		return e.Scan != nil && e.Scan.Final && e.Scan.In == p && e.Scan.Committed == readCommitted
	}).Scan
}

func (s *scanned) index(id string) int {
	return slices.IndexFunc(s.Seen, func(s seen) bool { return s.ID == id })
}

func (s *scanned) drop(id string) {
	i := s.index(id)
	s.Seen = slices.Delete(slices.Clone(s.Seen), i, i+1)
}

// show adds a record to what was seen.
func (s *scanned) show(at int64, r *appended) {
	s.Seen = append(slices.Clone(s.Seen), seen{Offset: at, ID: r.ID, Sum: r.Sum, Stamp: 7})
	slices.SortFunc(s.Seen, func(a, b seen) int { return int(a.Offset - b.Offset) })
}

// everywhere changes all that was read of a log.
func (h *history) everywhere(p partition, change func([]seen) []seen) {
	for _, e := range h.Events {
		if e.Scan != nil && e.Scan.In == p {
			e.Scan.Seen = change(slices.Clone(e.Scan.Seen))
		}
		if e.Poll != nil && e.Poll.In == p {
			e.Poll.Seen = change(slices.Clone(e.Poll.Seen))
		}
	}
}

func dropped(id string) func([]seen) []seen {
	return func(all []seen) []seen {
		return slices.DeleteFunc(all, func(s seen) bool { return s.ID == id })
	}
}

var mutations = map[string]mutation{
	"an acknowledged record is in no reading":   {"lost", func(h *history) { h.everywhere(logP, dropped("plain.4")) }},
	"an acknowledged record is gone at the end": {"lost", func(h *history) { h.finalScan(logP, false).drop("plain.3") }},
	"a committed record is gone at the end":     {"lost", func(h *history) { h.finalScan(logP, true).drop("good.1") }},
	"the log ends before an acknowledged record": {"lost", func(h *history) {
		for _, committed := range []bool{false, true} {
			s := h.finalScan(logP, committed)
			s.drop("plain.5")
			s.Covered[0].To = 9
		}
	}},
	"a consumer leaves out a record": {"lost", func(h *history) {
		e := h.find(func(e *event) bool { return e.Poll != nil && e.Who == "tail" })
		e.Poll.Seen = dropped("good.2")(slices.Clone(e.Poll.Seen))
	}},
	"a record that was not acknowledged is seen once and not again": {"unsteady", func(h *history) {
		h.sent("plain.3").Append.Offset = -1
		h.finalScan(logP, false).drop("plain.3")
	}},
	"a record that nobody sent": {"invented", func(h *history) {
		h.finalScan(logP, false).show(7, &appended{ID: "nobody"})
	}},
	"a record of another partition": {"invented", func(h *history) {
		h.finalScan(logP, false).show(7, h.sent("feed.1").Append)
	}},
	"other bytes": {"invented", func(h *history) {
		h.everywhere(inP, func(all []seen) []seen { all[0].Sum++; return all })
	}},
	"other bytes later": {"renamed", func(h *history) { h.finalScan(logP, false).Seen[0].Sum++ }},
	"another timestamp later": {"renamed", func(h *history) {
		s := h.finalScan(logP, false)
		s.Seen = slices.Clone(s.Seen)
		s.Seen[0].Stamp++
	}},
	"two records swapped": {"renamed", func(h *history) {
		s := h.finalScan(inP, true)
		s.Seen[0].ID, s.Seen[1].ID = s.Seen[1].ID, s.Seen[0].ID
	}},
	"two acknowledgements of one offset": {"renamed", func(h *history) { h.sent("feed.2").Append.Offset = 0 }},
	"a record twice": {"doubled", func(h *history) {
		for _, committed := range []bool{false, true} {
			h.finalScan(logP, committed).show(7, h.sent("plain.3").Append)
		}
	}},
	"a producer's records in another order": {"order", func(h *history) {
		a, b := h.sent("feed.1").Append, h.sent("feed.2").Append
		a.Offset, b.Offset = 1, 0
		h.everywhere(inP, func([]seen) []seen { return []seen{{0, b.ID, b.Sum, 7}, {1, a.ID, a.Sum, 7}} })
	}},
	"an aborted record": {"aborted", func(h *history) { h.finalScan(logP, true).show(6, h.sent("bad.1").Append) }},
	"an aborted record for a consumer": {"aborted", func(h *history) {
		e := h.find(func(e *event) bool { return e.Poll != nil && e.Who == "tail" })
		e.Poll.Seen = append(slices.Clone(e.Poll.Seen[:5]), seen{6, "bad.1", 1, 7})
	}},
	"half of a transaction whose end is unknown": {"half", func(h *history) {
		h.find(func(e *event) bool { return e.Txn != nil && e.Txn.ID == "good#1" }).Txn.Outcome = isUnknown
		h.finalScan(logP, true).drop("good.2")
	}},
	"a transaction that was never ended": {"aborted", func(h *history) {
		h.find(func(e *event) bool { return e.Txn != nil && e.Txn.ID == "good#1" }).Txn.ID = "another"
	}},
	"a consumer goes back": {"tail", func(h *history) {
		e := h.find(func(e *event) bool { return e.Poll != nil && e.Who == "tail" && len(e.Poll.Seen) == 1 })
		e.Poll.Seen = []seen{{2, "plain.3", 3, 7}, e.Poll.Seen[0]}
	}},
	"the last value of a key is gone": {"keys", func(h *history) { h.finalScan(keysP, true).drop("keys.3") }},
	"an earlier value in place of the last": {"keys", func(h *history) {
		s := h.finalScan(keysP, true)
		s.drop("keys.3")
		s.show(0, h.sent("keys.1").Append)
	}},
	"a deleted key is back": {"keys", func(h *history) {
		s := h.finalScan(keysP, true)
		s.drop("keys.4")
		s.show(1, h.sent("keys.2").Append)
	}},
	"the high watermark goes back":      {"backwards", func(h *history) { h.finalScan(inP, true).Marks[0].High = 1 }},
	"the last stable offset goes back":  {"backwards", func(h *history) { h.finalScan(logP, true).Marks[0].LSO = 9 }},
	"the log start goes back":           {"backwards", func(h *history) { h.finalScan(logP, true).Marks[0].Start = 1 }},
	"deleted records are back":          {"backwards", func(h *history) { h.finalScan(logP, false).show(1, h.sent("plain.2").Append) }},
	"a log start that nobody asked for": {"start", func(h *history) { h.finalScan(logP, true).Marks[0].Start = 3 }},
	"a group's offset goes back": {"backwards", func(h *history) {
		h.find(func(e *event) bool { return e.Committed != nil && e.Committed.Final }).Committed.Offset = 2
	}},
	"a group's offset is gone": {"backwards", func(h *history) {
		h.find(func(e *event) bool { return e.Committed != nil && e.Committed.Final }).Committed.Offset = -1
	}},
	"a group's offset that nobody committed": {"invented", func(h *history) {
		h.find(func(e *event) bool { return e.Committed != nil && e.Committed.Final }).Committed.Offset = 5
	}},
	"a group got over a record that no member read": {"skipped", func(h *history) {
		e := h.find(func(e *event) bool { return e.Poll != nil && e.Poll.Group == "group" })
		e.Poll.Seen = e.Poll.Seen[:2]
	}},
	"an output is missing": {"outputs", func(h *history) { h.finalScan(outP, true).drop("out.2") }},
	"an output is there twice": {"outputs", func(h *history) {
		a := *h.sent("out.1").Append
		a.ID, a.Offset, a.Seq = "out.3", 2, 3
		h.Events = append(h.Events, event{Who: "out", Append: &a})
		h.finalScan(outP, true).show(2, &a)
	}},
	"an output without its input's offset": {"outputs", func(h *history) {
		h.find(func(e *event) bool { return e.Committed != nil && e.Committed.Group == transforms }).Committed.Offset = 0
	}},
	"a topic is there after its deletion": {"topic", func(h *history) {
		h.find(func(e *event) bool { return e.Lookup != nil && !e.Lookup.Should }).Lookup.Found = true
	}},
	"a topic that was made is not there": {"topic", func(h *history) {
		h.find(func(e *event) bool { return e.Lookup != nil && e.Lookup.Should }).Lookup.Found = false
	}},
	"a client that says data was lost": {"alarm", func(h *history) { h.Events = append(h.Events, event{Who: "tail", Alarm: "data loss"}) }},
}
