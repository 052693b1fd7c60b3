package storage

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// journal makes many small appends durable with one sync.
//
// The simple way syncs every segment that was appended to. A sync costs a disk
// about the same whatever it covers, so a round over a thousand partitions waits
// for a thousand of them. The journal is a few files, filled once and then
// overwritten for ever: a round's appends, whatever their partitions, are one
// record in it, and one sync without any metadata makes them durable. Their
// segments are written at append time as always, only not synced; that follows (see
// settler). After a crash replay puts back what the segments have lost, before any
// partition opens.
//
//  1. What counts as durable is in a synced segment or in a record of a round that
//     replay still reads. A record is written by the commit loop alone, and the next
//     one not before it is synced.
//  2. An entry says where its log ended before. Everything below that was durable
//     when its round ended: so a log that ends before its first entry lost what was
//     durable, unless the entry is of the last round, which may never have ended.
//  3. A record names the oldest round that replay needs: no log has an entry below
//     it that is not in a synced segment. Records are numbered without a gap, so
//     that one that is missing, from there to the last, is noticed.
//  4. A file is overwritten only when all rounds in it lie below the oldest one that
//     a synced record names.
//  5. Nothing but appends changes what an entry says. Whatever else changes a log's
//     end (truncation, reset, deletion) first has its segments hold all that counts,
//     and then writes, synced, an entry that voids the earlier ones; deletion, where
//     nothing counts, after the directory has lost its name, and until then the rounds
//     that the log needs stay (see hold).
//  6. The journal never has to be there. A round that finds no room in it syncs
//     segments, as without it; so a full disk takes nothing from anybody.
//  7. Bytes of clients cannot be taken for a record: its header has a salt that
//     nobody outside of the process knows.
//  8. It is empty after a clean shutdown and once it is replayed, which happens as
//     one rename of the directory.
type journal struct {
	d     *Disk
	salt  [8]byte
	limit int // bytes of a record

	// Of the commit loop.
	active  *journalFile
	files   []*journalFile
	round   uint64                    // of the record written last
	naming  uint64                    // the oldest round, as the record put last names it
	oldest  uint64                    // as a synced record names it: rounds below it are void
	marked  uint64                    // the last round that mark wrote: it has no entries
	live    map[TopicPartition]uint64 // the last round that has an entry of a log
	broken  bool                      // overwriting failed for lack of space: not to be used
	staying bool                      // rounds go to the journal
	begins  []uint64                  // the first rounds in the files used last, the active one at the end

	due    atomic.Uint64 // the segments of rounds below it are to be synced now
	done   atomic.Uint64 // the last round whose effect on its logs is complete
	needed atomic.Uint64 // no log needs a round below it; set by the settler

	mu     sync.Mutex
	spare  *journalFile // guarded by mu: filled and not used yet
	made   int          // guarded by mu: files there are
	wanted bool         // guarded by mu: the loop will need another file
	failed time.Time    // guarded by mu: when there was no room for one

	held map[TopicPartition]uint64 // guarded by mu: see hold
}

// journalFile is a file of a fixed size.
type journalFile struct {
	f    vfs.File
	size int64
	pos  int64  // where the next record goes
	last uint64 // the last round in it
}

// newJournal is one without files: they are made when there is a use for them.
func newJournal(d *Disk) *journal {
	j := &journal{d: d, live: map[TopicPartition]uint64{}, held: map[TopicPartition]uint64{}, limit: int(min(maxStaged, d.o.JournalFileBytes/4))}
	rand.Read(j.salt[:]) //nolint:errcheck // it never fails (Go 1.24)
	j.oldest = 1
	j.needed.Store(1)
	return j
}

// Rounds go to the journal from journalFrom logs with small appends on, and stay
// with it while there are journalStay. A record costs about as much as one segment
// (docs/durability.md has the table), so it is ahead from two on; but what hardly
// gains by it should not need its files. The two numbers differ because rounds are
// shorter with the journal and so find fewer logs each.
const (
	journalFrom = 3
	journalStay = 2
)

// noteLive remembers which logs have entries in the record put last.
func (j *journal) noteLive(logs []roundLog) {
	for i := range logs {
		if logs[i].stagedEnd >= 0 {
			j.live[logs[i].log.id] = j.round
		}
	}
}

// takes decides for a round in which that many logs have all their appends staged.
func (j *journal) takes(staged int) bool {
	from := journalFrom
	switch {
	case j.broken || staged == 0: // a round that only tells changes no mind
		return false
	case j.d.o.Journal == JournalOn:
		from = 1
	case j.staying:
		from = journalStay
	}
	j.staying = staged >= from
	return j.staying
}

// put writes a record, without syncing it. ok is false if there is no room: the
// round does without the journal.
func (j *journal) put(rec *staging) (ok bool, err error) {
	if j.broken || !j.fit(inPages(len(rec.buf))) {
		return false, nil
	}
	j.naming = j.name()
	rec.buf = sealRecord(rec.buf, recordHead{count: rec.count, salt: j.salt, round: j.round + 1, oldest: j.naming})
	if _, err := j.active.f.WriteAt(rec.buf, j.active.pos); isFull(err) {
		j.giveUp(err)
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("write journal: %w", err)
	}
	j.d.counted.journalBytes.Add(int64(len(rec.buf)))
	j.active.pos += int64(len(rec.buf))
	j.round++
	j.active.last = j.round
	return true, nil
}

// giveUp ends the use of a journal that cannot be overwritten: files that copy on
// write need space for it. What is there now is neither synced nor sure not to be; so
// nothing may follow it.
func (j *journal) giveUp(err error) {
	j.broken = true
	j.d.o.Logger.Warn("this file system cannot overwrite the journal on a full disk; segments are synced instead until the next start",
		"dir", j.d.o.Dir, "error", err)
}

// name is the oldest round that replay needs. A mark is not needed once there is a
// record after it: its file may be begun anew at once, before the settler knows of it.
func (j *journal) name() uint64 {
	needed := j.needed.Load()
	if needed == j.marked {
		needed++
	}
	return needed
}

// sync makes the record durable that was put last. It may run beside the syncs of
// segments; the loop calls synced after all of them.
func (j *journal) sync() error {
	if err := j.active.f.SyncData(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return nil
}

// synced is told that the record is durable and its logs know: what it names as old
// is void for good.
func (j *journal) synced() {
	j.oldest = j.naming
	j.done.Store(j.round)
}

// fit makes sure that the active file has room for a record, and goes on to
// another file if need be.
func (j *journal) fit(size int64) bool {
	a := j.active
	if a == nil || a.pos+size > a.size-journalPage {
		if !j.next() {
			return false
		}
		a = j.active
	} else if a.pos > a.size/2 {
		j.want()
	}
	return a.pos+size <= a.size-journalPage
}

// next makes another file the active one: a used one that is void, or a new one.
func (j *journal) next() bool {
	f := j.void()
	if f == nil {
		if f = j.takeSpare(); f == nil {
			j.due.Store(j.round + 1)
			j.d.settle.poke()
			return false
		}
	}
	f.pos = journalPage
	j.active = f
	// Half of the files may wait: the longer, the more rounds one sync of a segment
	// serves. The others are due, so that there is always one to go on with.
	j.begins = append(j.begins, j.round+1)
	if wait := j.d.o.JournalFiles / 2; len(j.begins) > wait {
		j.begins = slices.Clone(j.begins[len(j.begins)-wait:])
		j.due.Store(max(j.due.Load(), j.begins[0]))
		j.d.settle.poke()
	}
	for id, round := range j.live {
		if round < j.oldest {
			delete(j.live, id)
		}
	}
	return true
}

// void finds a file that replay does not need; the active one only if there is no
// other: it is full, so that it can be begun anew.
func (j *journal) void() *journalFile {
	needed := j.needed.Load()
	free := j.active
	for _, f := range j.files {
		if f != j.active && f.last < needed {
			free = f
		}
	}
	if free == nil || free.last >= needed || free.last >= j.oldest && !j.mark() {
		return nil
	}
	return free
}

// mark has a synced record name the oldest round, in the last page of the active
// file, which it leaves full. Records of rounds do not use that page, so that a
// journal whose files are all full can still free one.
func (j *journal) mark() bool {
	a := j.active
	if j.broken || a.pos+journalPage > a.size {
		return false
	}
	j.naming = j.name()
	rec := sealRecord(make([]byte, recordHeader, journalPage), recordHead{salt: j.salt, round: j.round + 1, oldest: j.naming})
	_, err := a.f.WriteAt(rec, a.pos)
	if isFull(err) {
		j.giveUp(err)
		return false
	}
	if err == nil {
		err = j.sync()
	}
	if err != nil {
		_ = j.d.fail(fmt.Errorf("mark journal: %w", err))
		return false
	}
	j.round++
	j.marked = j.round
	a.pos, a.last = a.size, j.round
	j.synced()
	return true
}

// isLive reports whether replay would find entries of a log.
func (j *journal) isLive(id TopicPartition) bool { return j.live[id] >= j.oldest }

// close closes the files and, if everything in them is in segments now, leaves an
// empty journal behind.
func (j *journal) close(settled bool) error {
	j.mu.Lock()
	files := j.files
	if j.spare != nil {
		files = append(files, j.spare)
	}
	j.files, j.active, j.spare = nil, nil, nil
	j.mu.Unlock()
	for _, f := range files {
		_ = f.f.Close() // what counts is synced
	}
	if !settled {
		return nil
	}
	return clearJournal(j.d.o.FS, j.d.o.Dir)
}

// clearJournal empties the journal: it is there as a whole or not at all.
func clearJournal(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir + "/" + journalDir)
	if err != nil || len(names) == 0 {
		return err
	}
	if err := fsys.Rename(dir+"/"+journalDir, dir+"/"+journalDone); err != nil {
		return err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	if err := fsys.RemoveAll(dir + "/" + journalDone); err != nil {
		return err
	}
	return vfs.MkdirAll(fsys, dir+"/"+journalDir)
}
