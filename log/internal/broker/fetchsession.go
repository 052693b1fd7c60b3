package broker

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchSessions are the fetch sessions of all clients (KIP-227). It may be used
// concurrently.
//
// A consumer of a thousand partitions asks for all of them in every Fetch and is told
// of all of them, although hardly any has something new: naming them costs both sides
// more than what is fetched. In a session the node remembers what the client asks for.
// A request then names only what has changed, at least the offsets of what came last,
// and so does its answer.
//
//  1. A session belongs to who has opened it, and serves one request at a time: two
//     would have different ideas of what the client knows.
//  2. Every request raises its epoch. Who comes with another one has missed an answer,
//     is told so, and begins anew with all partitions.
//  3. A session is a convenience and holds nobody's place: rights and leaders are
//     looked at in every request, and a client may lose its session at any time.
//  4. They are bounded by number and by partitions. Where there is no room, one that was
//     not used for long makes some; else the client gets none and asks in full.
type fetchSessions struct {
	mu         sync.Mutex
	byID       map[int32]*fetchSession // guarded by mu
	partitions int                     // guarded by mu: of all
}

// Bounds, the first and the last as in Kafka (max.incremental.fetch.session.cache.slots,
// min.incremental.fetch.session.eviction.ms). A partition of a session takes some 250
// bytes, and a topic its name, of which a request may have ones that no topic can have.
const (
	maxFetchSessions     = 1000
	maxSessionPartitions = 100_000
	sessionRest          = 2 * time.Minute
	maxSessionTopicName  = 249
)

// sessionAnswerBytes is what a partition that a request does not name takes while the
// request is under way.
const sessionAnswerBytes = 512

// fetchSession is one session.
type fetchSession struct {
	id    int32
	owner string // the principal
	byID  bool   // topics are named by id

	// Guarded by fetchSessions.mu.
	epoch int32 // of the next request
	used  time.Time
	busy  bool // a request is under way, to which the rest belongs

	parts []*sessionPartition // in the order in which they are read
	index map[sessionKey]*sessionPartition
}

type sessionKey struct {
	topic     string   // "" in a session that names topics by id
	id        [16]byte // else 0
	partition int32
}

// sessionPartition is a partition that a session's client wants, and what it was told
// of it.
type sessionPartition struct {
	key                 sessionKey
	want                kmsg.FetchRequestTopicPartition
	high, stable, start int64
	had                 bool // records were in the last answer
}

// enter finds the session of a request and has the request ask for all of its
// partitions; nil if it has none. Who got one gives it to leave, or else to abandon.
func (s *fetchSessions) enter(c *call, req *kmsg.FetchRequest) (*fetchSession, *kerr.Error) {
	if req.Version < 7 || req.SessionID == 0 && isFull(req) {
		return nil, nil
	}
	fs, err := s.take(c.caller.Principal, req)
	if fs == nil || err != nil {
		return nil, err
	}
	before := len(fs.parts)
	named := fs.update(req)
	room := s.resize(len(fs.parts)-before) && named
	// Nobody waits for memory with some in his hands: without it the client has to
	// come again and pay for all partitions at once.
	l, lent := c.decodeMemory.tryTake(int64(len(fs.parts)) * sessionAnswerBytes)
	if !room || !lent {
		l.release()
		s.abandon(fs)
		return nil, kerr.FetchSessionIDNotFound
	}
	c.loans = append(c.loans, l)
	if req.Topics = fs.topics(); len(fs.parts) == 0 {
		s.abandon(fs)
		return nil, nil
	}
	return fs, nil
}

// take is the session that a request goes on with, which is busy then; none if it
// wants no more of it.
func (s *fetchSessions) take(owner string, req *kmsg.FetchRequest) (*fetchSession, *kerr.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fs := s.byID[req.SessionID]
	if fs != nil && fs.owner != owner {
		fs = nil
	}
	switch {
	case isFull(req): // the end of the one, and with 0 perhaps the beginning of another
		switch {
		case fs == nil:
		case fs.busy: // whoever asked has gone, most likely, and that is not known yet
			delete(s.byID, fs.id)
		default:
			s.remove(fs)
		}
		return nil, nil
	case fs == nil:
		return nil, kerr.FetchSessionIDNotFound
	case fs.busy || fs.epoch != req.SessionEpoch:
		return nil, kerr.InvalidFetchSessionEpoch
	case fs.byID != (req.Version >= 13):
		return nil, kerr.FetchSessionTopicIDError
	}
	fs.busy, fs.epoch, fs.used = true, nextSessionEpoch(fs.epoch), time.Now()
	return fs, nil
}

// isFull tells whether a request names all that it wants: the first of a session (0), or
// one of none (-1).
func isFull(req *kmsg.FetchRequest) bool { return req.SessionEpoch == 0 || req.SessionEpoch == -1 }

func nextSessionEpoch(epoch int32) int32 {
	if epoch == math.MaxInt32 {
		return 1
	}
	return epoch + 1
}

// resize accounts for partitions that came or went; false if they are too many.
func (s *fetchSessions) resize(more int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partitions += more
	return s.partitions <= maxSessionPartitions
}

// abandon ends the session of a request that does not come to leave: its client has no
// answer. Of nil it ends none. Who has left must not come here: the session may be in the
// hands of the next request.
func (s *fetchSessions) abandon(fs *fetchSession) {
	if fs == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fs.busy {
		s.remove(fs)
	}
}

// remove needs mu. The session may have lost its id before, and that be another's.
func (s *fetchSessions) remove(fs *fetchSession) {
	if s.byID[fs.id] == fs {
		delete(s.byID, fs.id)
	}
	s.partitions -= len(fs.parts)
}

// leave ends a request. Of a session's answer it takes out what the client knows; who
// has none and wants one gets it, if there is room.
func (s *fetchSessions) leave(fs *fetchSession, owner string, req *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
	if fs != nil {
		fs.tell(resp)
		s.mu.Lock()
		defer s.mu.Unlock()
		fs.busy, fs.used = false, time.Now()
		if s.byID[fs.id] != fs { // it was ended meanwhile
			s.remove(fs)
			return
		}
		resp.SessionID = fs.id
		return
	}
	if req.Version < 7 || req.SessionEpoch != 0 || len(req.Topics) == 0 {
		return
	}
	fs = &fetchSession{owner: owner, byID: req.Version >= 13, epoch: 1, used: time.Now(), index: map[sessionKey]*sessionPartition{}}
	asked := 0
	for i := range req.Topics {
		asked += len(req.Topics[i].Partitions)
	}
	if named := fs.update(req); !named || len(fs.parts) != asked { // some of them twice
		return
	}
	fs.tellAll(resp)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admit(fs) {
		resp.SessionID = fs.id
	}
}

// admit gives a session its id, if there is room for it. Needs mu.
func (s *fetchSessions) admit(fs *fetchSession) bool {
	for len(s.byID) >= maxFetchSessions || s.partitions+len(fs.parts) > maxSessionPartitions {
		var oldest *fetchSession
		for _, other := range s.byID {
			if !other.busy && (oldest == nil || other.used.Before(oldest.used)) {
				oldest = other
			}
		}
		if oldest == nil || fs.used.Sub(oldest.used) < sessionRest {
			return false
		}
		s.remove(oldest)
	}
	for fs.id == 0 || s.byID[fs.id] != nil {
		fs.id = rand.Int32()
	}
	if s.byID == nil {
		s.byID = map[int32]*fetchSession{}
	}
	s.byID[fs.id] = fs
	s.partitions += len(fs.parts)
	return true
}

// update takes what a request names into the session, and what it forgets out of it. It
// is false if a name is none that a session keeps.
func (fs *fetchSession) update(req *kmsg.FetchRequest) (named bool) {
	named = true
	for i := range req.Topics {
		t := &req.Topics[i]
		named = named && len(t.Topic) <= maxSessionTopicName
		for j := range t.Partitions {
			want := t.Partitions[j]
			want.UnknownTags = kmsg.Tags{} // they refer to the frame
			k := fs.key(t.Topic, t.TopicID, want.Partition)
			p := fs.index[k]
			if p == nil {
				p = &sessionPartition{key: k, high: -1, stable: -1, start: -1}
				fs.index[k] = p
				fs.parts = append(fs.parts, p)
			}
			p.want = want
		}
	}
	forgotten := false
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, partition := range t.Partitions {
			k := fs.key(t.Topic, t.TopicID, partition)
			forgotten = forgotten || fs.index[k] != nil
			delete(fs.index, k)
		}
	}
	if forgotten {
		fs.sort(func(p *sessionPartition) bool { return fs.index[p.key] == p }, false)
	}
	return named
}

func (fs *fetchSession) key(topic string, id [16]byte, partition int32) sessionKey {
	if fs.byID {
		return sessionKey{id: id, partition: partition}
	}
	return sessionKey{topic: topic, partition: partition}
}

// sort puts those that are first before the others, or drops those.
func (fs *fetchSession) sort(first func(*sessionPartition) bool, keepOthers bool) {
	parts := make([]*sessionPartition, 0, len(fs.parts))
	for _, p := range fs.parts {
		if first(p) {
			parts = append(parts, p)
		}
	}
	if keepOthers {
		for _, p := range fs.parts {
			if !first(p) {
				parts = append(parts, p)
			}
		}
	}
	fs.parts = parts
}

// topics are all partitions of the session, as a request would name them.
func (fs *fetchSession) topics() []kmsg.FetchRequestTopic {
	topics := []kmsg.FetchRequestTopic{}
	wants := make([]kmsg.FetchRequestTopicPartition, len(fs.parts))
	for i, p := range fs.parts {
		wants[i] = p.want
		if n := len(topics); n == 0 || topics[n-1].Topic != p.key.topic || topics[n-1].TopicID != p.key.id {
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID, t.Partitions = p.key.topic, p.key.id, wants[i:i]
			topics = append(topics, t)
		}
		t := &topics[len(topics)-1]
		t.Partitions = t.Partitions[:len(t.Partitions)+1]
	}
	return topics
}

// tell takes out of an answer, which has all partitions in the session's order, what
// the client knows already.
func (fs *fetchSession) tell(resp *kmsg.FetchResponse) {
	news := fs.tellAll(resp)
	topics, i := resp.Topics[:0], 0
	for _, t := range resp.Topics {
		kept := t.Partitions[:0]
		for _, p := range t.Partitions {
			if news[i] {
				kept = append(kept, p)
			}
			i++
		}
		if t.Partitions = kept; len(kept) > 0 {
			topics = append(topics, t)
		}
	}
	resp.Topics = topics
}

// tellAll remembers what an answer says of each partition, and says which of it is new.
// Those that had records are the last to be read next time, so that each gets its share
// of a full answer.
func (fs *fetchSession) tellAll(resp *kmsg.FetchResponse) (news []bool) {
	news = make([]bool, 0, len(fs.parts))
	had := false
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := fs.parts[len(news)]
			news = append(news, p.tell(&resp.Topics[i].Partitions[j]))
			had = had || p.had
		}
	}
	if had {
		fs.sort(func(p *sessionPartition) bool { return !p.had }, true)
	}
	return news
}

// tell reports whether an answer says something new. Errors are new every time.
func (p *sessionPartition) tell(r *kmsg.FetchResponseTopicPartition) bool {
	p.had = len(r.RecordBatches) > 0
	news := p.had || r.ErrorCode != 0 || r.DivergingEpoch.Epoch != -1 || r.DivergingEpoch.EndOffset != -1 ||
		r.HighWatermark != p.high || r.LastStableOffset != p.stable || r.LogStartOffset != p.start
	p.high, p.stable, p.start = r.HighWatermark, r.LastStableOffset, r.LogStartOffset
	return news
}
