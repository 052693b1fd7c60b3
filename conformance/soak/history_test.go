package soak

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// history is what the clients of a run did and saw, each event when it was over.
type history struct {
	Seed   uint64
	Sync   string
	Topics map[string]topic // by name; a topic that is made again has a name for each time
	Events []event

	mu    sync.Mutex // guards Topics, Events and names
	began time.Time
	names map[string]string
}

// topic is what a checker must know of a topic.
type topic struct {
	Partitions int32
	Compacted  bool
	// Retained topics lose old segments by themselves.
	Retained bool
	// DeleteRetention is delete.retention.ms.
	DeleteRetention time.Duration `json:",omitempty"`
}

// partition names a log.
type partition struct {
	Topic string
	Index int32
}

// event is something that a client did: one of the fields behind Who is set. Begin
// and End are times since the run began, on one clock for all clients: what ended
// before another thing began came before it.
type event struct {
	Begin, End time.Duration
	Who        string

	Append    *appended  `json:",omitempty"`
	Txn       *ended     `json:",omitempty"`
	Scan      *scanned   `json:",omitempty"`
	Poll      *polled    `json:",omitempty"`
	Delete    *deleted   `json:",omitempty"`
	Commit    *committed `json:",omitempty"`
	Committed *committed `json:",omitempty"`
	Lookup    *lookup    `json:",omitempty"`
	Alarm     string     `json:",omitempty"` // a client's own verdict that data was lost
	Killed    bool       `json:",omitempty"`
}

// appended is a record that was sent.
type appended struct {
	ID        string // in a header of the record, and nowhere twice
	In        partition
	Sum       uint32 // of key, value and headers
	Key       string `json:",omitempty"`
	Tombstone bool   `json:",omitempty"`
	// Producer is who sent it, and Seq its number among his to that partition.
	Producer string
	Seq      int
	// Exact says that the producer is idempotent.
	Exact bool   `json:",omitempty"`
	Txn   string `json:",omitempty"`
	// Source is the record that this is an output for, and Part which of its outputs.
	Source string `json:",omitempty"`
	// Offset is where it was acknowledged, -1 where it was not.
	Offset int64
	Err    string `json:",omitempty"`
}

// ended is a transaction of which no more will come.
type ended struct {
	ID      string
	Outcome outcome
}

type outcome string

const (
	isCommitted outcome = "committed"
	isAborted   outcome = "aborted"
	isUnknown   outcome = "unknown"
)

// seen is a record as it was read.
type seen struct {
	Offset int64
	ID     string
	Sum    uint32 // as appended.Sum
	Stamp  uint32 // of what the broker keeps beside it: timestamp, producer, epochs
}

// span is the offsets from From up to, not including, To.
type span struct{ From, To int64 }

// marks are the offsets that a broker tells beside what was asked of it; -1 is none.
type marks struct {
	Begin, End       time.Duration
	Start, High, LSO int64
}

// scanned is a log read by requests of our own, so that it is known which offsets
// were looked at: all in Covered, in order.
type scanned struct {
	In        partition
	Committed bool // read_committed
	Final     bool // nobody writes any more; from the start to the end
	Covered   []span
	Seen      []seen
	Marks     []marks
}

// polled is what a client's consumer gave: of one that reads on its own, the next
// records; of a member of a group, records that it may have to read again.
type polled struct {
	In        partition
	Committed bool
	Group     string `json:",omitempty"`
	Seen      []seen
}

// deleted is a request to delete what is below Before. Start is the answer, -1 if
// there was none.
type deleted struct {
	In            partition
	Before, Start int64
}

// committed is a group's offset, as it was committed, or as it was found.
type committed struct {
	Group  string
	In     partition
	Offset int64
	OK     bool // acknowledged; of one that was found always
	Final  bool // found when nobody committed any more
}

// lookup is whether a topic was there: one that had been made, or deleted.
type lookup struct {
	Topic  string
	Should bool
	Found  bool
}

func newHistory(seed uint64, sync string) *history {
	return &history{Seed: seed, Sync: sync, Topics: map[string]topic{}, began: time.Now(), names: map[string]string{}}
}

func (h *history) now() time.Duration { return time.Since(h.began) }

// add keeps an event that began then and ends now.
func (h *history) add(begin time.Duration, e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.Begin, e.End = begin, h.now()
	h.Events = append(h.Events, e)
}

func (h *history) addTopic(name string, t topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Topics[name] = t
}

// see is a record as a history keeps it.
func (h *history) see(r *kgo.Record) seen {
	id := header(r, "id")
	h.mu.Lock()
	if same, ok := h.names[id]; ok {
		id = same // one string for each record, however often it is read
	} else {
		h.names[id] = id
	}
	h.mu.Unlock()
	return seen{Offset: r.Offset, ID: id, Sum: contentSum(r), Stamp: stamp(r)}
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func contentSum(r *kgo.Record) uint32 {
	sum := crc32.NewIEEE()
	put := func(b []byte) {
		n := len(b)
		if b == nil {
			n = -1
		}
		_, _ = sum.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
		_, _ = sum.Write(b)
	}
	put(r.Key)
	put(r.Value)
	for _, h := range r.Headers {
		put([]byte(h.Key))
		put(h.Value)
	}
	return sum.Sum32()
}

func stamp(r *kgo.Record) uint32 {
	b, _ := json.Marshal([]int64{r.Timestamp.UnixMilli(), r.ProducerID, int64(r.ProducerEpoch), int64(r.LeaderEpoch)})
	return crc32.ChecksumIEEE(b)
}

// save writes the history to a file of dir.
func (h *history) save(dir string) (path string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "history.json.gz")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	z := gzip.NewWriter(f)
	w := bufio.NewWriter(z)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err = json.NewEncoder(w).Encode(h); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = z.Close()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return path, err
}

// readHistory reads what save has written.
func readHistory(path string) (*history, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	h := &history{}
	return h, json.NewDecoder(z).Decode(h)
}
