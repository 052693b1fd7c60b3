package coord_test

import (
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/core"
	"github.com/millrace/millrace/log/internal/sim"
	"github.com/millrace/millrace/log/internal/txn"
)

// worker is a client: a member of the group and a transactional producer, by the book.
// It has no memory across crashes but its name. Each thing it does ends in a call of
// next, which looks at what is missing.
type worker struct {
	p       *pipeline
	name    string
	version int16 // of transactions
	node    *sim.Node

	pid       int64
	epoch     int16
	ready     bool // has a producer id that counts
	sequences map[int32]int32
	inTxn     bool // something of the transaction may have reached somebody
	added     map[txn.TopicPartition]bool

	member     string
	generation int32
	joined     bool
	assigned   []int32
	positions  map[int32]int64
	rejoin     bool
}

func (w *worker) start(n *sim.Node) {
	*w = worker{p: w.p, name: w.name, version: w.version, node: n}
	n.Every(time.Second, w.heartbeat)
	w.later()
}

// later goes on after a short while, after something went wrong.
func (w *worker) later() {
	w.node.After(w.p.s.Between(20*time.Millisecond, 200*time.Millisecond), w.next)
}

func (w *worker) next() {
	switch {
	case !w.ready:
		w.init()
	case w.inTxn:
		w.end(false)
	case !w.joined || w.rejoin:
		w.join()
	case w.positions == nil:
		w.fetch()
	default:
		w.transact()
	}
}

// request asks a coordinator and gives the response, nil if there was none.
func (w *worker) request(v *service, body kmsg.Request, done func(kmsg.Response)) {
	w.p.ask(w.node, v.node, w.version >= 2, func(reply func(any)) {
		v.call(func(id uint64) core.Input {
			return coord.Request{ID: id, Body: body, Meta: coord.Meta{ClientID: w.name}}
		}, func(r any, err error) {
			if err == nil {
				w.p.observe(body, r.(kmsg.Response))
				reply(r)
			}
		})
	}, func(r any) {
		resp, _ := r.(kmsg.Response)
		done(resp)
	})
}

func (w *worker) init() {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, &w.name, 8000
	w.request(w.p.txns, req, func(r kmsg.Response) {
		if r, _ := r.(*kmsg.InitProducerIDResponse); r != nil && r.ErrorCode == 0 {
			w.pid, w.epoch, w.ready, w.sequences = r.ProducerID, r.ProducerEpoch, true, nil
			w.begin()
		}
		w.later()
	})
}

// begin forgets the last transaction. Sequences go on as long as the epoch does.
func (w *worker) begin() {
	w.inTxn, w.positions = false, nil
	w.added = map[txn.TopicPartition]bool{}
	if w.version >= 2 || w.sequences == nil {
		w.sequences = map[int32]int32{}
	}
}

func (w *worker) join() {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.ProtocolType = 9, "g", w.member, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 6000, 6000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: []byte{}}}
	w.joined, w.rejoin = false, false
	w.request(w.p.groups, req, func(r kmsg.Response) {
		resp, _ := r.(*kmsg.JoinGroupResponse)
		switch {
		case resp == nil:
		case resp.ErrorCode == kerr.MemberIDRequired.Code:
			w.member = resp.MemberID
		case resp.ErrorCode == kerr.UnknownMemberID.Code:
			w.member = ""
		case resp.ErrorCode == 0:
			w.member, w.generation = resp.MemberID, resp.Generation
			w.sync(resp)
			return
		}
		w.later()
	})
}

// sync gets the assignment; the leader deals the inputs out to the members in turn.
func (w *worker) sync(j *kmsg.JoinGroupResponse) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 5, "g", w.member, w.generation
	for i, m := range j.Members {
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID = m.MemberID
		for in := i; in < inputs; in += len(j.Members) {
			a.MemberAssignment = append(a.MemberAssignment, byte('0'+in))
		}
		req.GroupAssignment = append(req.GroupAssignment, a)
	}
	w.request(w.p.groups, req, func(r kmsg.Response) {
		if resp, _ := r.(*kmsg.SyncGroupResponse); resp != nil && resp.ErrorCode == 0 {
			w.joined, w.assigned, w.positions = true, nil, nil
			for _, c := range resp.MemberAssignment {
				w.assigned = append(w.assigned, int32(c-'0'))
			}
		}
		w.later()
	})
}

func (w *worker) heartbeat() {
	if !w.joined {
		return
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 4, "g", w.member, w.generation
	w.request(w.p.groups, req, func(r kmsg.Response) {
		if resp, _ := r.(*kmsg.HeartbeatResponse); resp != nil && resp.ErrorCode != 0 && req.Generation == w.generation {
			w.rejoin = true
			if resp.ErrorCode == kerr.UnknownMemberID.Code {
				w.member = ""
			}
		}
	})
}

func (w *worker) fetch() {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = 9, true
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "in", Partitions: w.assigned}}
	req.Groups = []kmsg.OffsetFetchRequestGroup{g}
	w.request(w.p.groups, req, func(r kmsg.Response) {
		if resp, _ := r.(*kmsg.OffsetFetchResponse); resp != nil {
			positions := map[int32]int64{}
			for _, p := range resp.Groups[0].Topics[0].Partitions {
				if p.ErrorCode == 0 {
					positions[p.Partition] = max(p.Offset, 0)
				}
			}
			if len(positions) == len(w.assigned) {
				w.positions = positions
			}
		}
		w.later()
	})
}

// transact copies a few records of one input.
func (w *worker) transact() {
	for _, in := range w.assigned {
		if at := w.positions[in]; at < inputLength {
			n := min(1+w.p.s.Rand.Int64N(3), inputLength-at)
			w.inTxn = true
			w.copy(in, at, at+n)
			return
		}
	}
	w.later() // nothing left; stay in the group
}

// copy produces the records from at to end, one after the other, then commits.
func (w *worker) copy(in int32, at, end int64) {
	if at == end {
		w.commitOffset(in, end)
		return
	}
	to := int32(w.p.s.Rand.IntN(outputs))
	w.add(txn.TopicPartition{Topic: "out", Partition: to}, func(ok bool) {
		if !ok {
			w.next()
			return
		}
		r := outputRecord{ProducerID: w.pid, Epoch: w.epoch, Sequence: w.sequences[to], Value: value(in, at)}
		w.produce(to, r, 3, func(ok bool) {
			if ok {
				w.sequences[to]++
				w.copy(in, at+1, end)
				return
			}
			w.next()
		})
	})
}

// add adds a partition to the transaction, as a client of version 1 does.
func (w *worker) add(tp txn.TopicPartition, done func(ok bool)) {
	if w.version >= 2 || w.added[tp] {
		done(true)
		return
	}
	w.p.admit(w.node, w.admission(tp, false), false, func(ok bool) {
		w.added[tp] = ok
		done(ok)
	})
}

func (w *worker) admission(tp txn.TopicPartition, verify bool) txn.Add {
	return txn.Add{TransactionalID: w.name, ProducerID: w.pid, ProducerEpoch: w.epoch,
		Partitions: []txn.TopicPartition{tp}, Version: w.version, VerifyOnly: verify}
}

// admit asks the transaction coordinator from a node.
func (p *pipeline) admit(from *sim.Node, add txn.Add, twice bool, done func(ok bool)) {
	p.ask(from, p.txns.node, twice, func(reply func(any)) {
		p.txns.call(func(id uint64) core.Input { add.ID = id; return add }, func(r any, err error) {
			if err == nil {
				reply(r)
			}
		})
	}, func(r any) {
		result, ok := r.(txn.AddResult)
		done(ok && result[0] == 0)
	})
}

// produce sends one record, and again if there is no answer. A producer that gives up
// with a record under way does not know its sequence any more and begins anew.
func (w *worker) produce(to int32, r outputRecord, tries int, done func(ok bool)) {
	o, add := w.p.out[to], w.admission(txn.TopicPartition{Topic: "out", Partition: to}, w.version < 2)
	w.p.ask(w.node, w.p.groups.node, w.version >= 2, func(reply func(any)) {
		node, life, entering := o.node, o.node.Life(), o.entering
		entering[r.ProducerID]++
		w.p.admit(node, add, w.version >= 2, func(ok bool) {
			if node.Life() != life {
				return
			}
			if ok {
				o.produce(r, reply)
			} else {
				reply("refused")
			}
			entering[r.ProducerID]--
		})
	}, func(got any) {
		if got == any(lost{}) && tries > 1 {
			w.produce(to, r, tries-1, done)
			return
		}
		if got != any("ok") {
			w.ready = false
		}
		done(got == any("ok"))
	})
}

func (w *worker) commitOffset(in int32, at int64) {
	offsets := txn.TopicPartition{Topic: coord.GroupTopic}
	w.add(offsets, func(ok bool) {
		if !ok {
			w.next()
			return
		}
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.Version, req.Group, req.TransactionalID = 5, "g", w.name
		req.ProducerID, req.ProducerEpoch = w.pid, w.epoch
		req.MemberID, req.Generation = w.member, w.generation
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = in, at
		req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "in", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
		w.sendOffset(req, w.admission(offsets, w.version < 2), func(ok bool) {
			if ok {
				w.end(true)
				return
			}
			w.rejoin = w.rejoin || w.p.s.Chance(0.5)
			w.next()
		})
	})
}

// sendOffset is TxnOffsetCommit on node 2, which asks the transaction coordinator first.
func (w *worker) sendOffset(req *kmsg.TxnOffsetCommitRequest, add txn.Add, done func(ok bool)) {
	g := w.p.groups
	w.p.ask(w.node, g.node, w.version >= 2, func(reply func(any)) {
		node, life, out := g.node, g.node.Life(), w.p.out[0]
		out.entering[req.ProducerID]++ // holds markers of version 1 back, as guards do
		entering := out.entering
		w.p.admit(node, add, w.version >= 2, func(ok bool) {
			if node.Life() != life {
				return
			}
			if ok {
				g.call(func(id uint64) core.Input { return coord.Request{ID: id, Body: req} }, func(r any, err error) {
					if err == nil {
						reply(r)
					}
				})
			} else {
				reply("refused")
			}
			entering[req.ProducerID]--
		})
	}, func(r any) {
		resp, _ := r.(*kmsg.TxnOffsetCommitResponse)
		done(resp != nil && resp.Topics[0].Partitions[0].ErrorCode == 0)
	})
}

// end ends the transaction, and asks again until the answer is definite.
func (w *worker) end(commit bool) {
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.Commit = 5, w.name, commit
	if w.version < 2 {
		req.Version = 4
	}
	req.ProducerID, req.ProducerEpoch = w.pid, w.epoch
	w.request(w.p.txns, req, func(r kmsg.Response) {
		resp, _ := r.(*kmsg.EndTxnResponse)
		switch {
		case resp == nil || resp.ErrorCode == kerr.ConcurrentTransactions.Code:
			w.node.After(w.p.s.Between(20*time.Millisecond, 200*time.Millisecond), func() { w.end(commit) })
			return
		case resp.ErrorCode == 0:
			if w.version >= 2 {
				w.pid, w.epoch = resp.ProducerID, resp.ProducerEpoch
			}
			w.begin()
		default:
			w.ready, w.inTxn = false, false
		}
		w.later()
	})
}

// observe holds what the group coordinator answers against what it answered before.
func (p *pipeline) observe(req kmsg.Request, resp kmsg.Response) {
	switch resp := resp.(type) {
	case *kmsg.SyncGroupResponse:
		req := req.(*kmsg.SyncGroupRequest)
		if resp.ErrorCode != 0 {
			return
		}
		for _, c := range strings.Split(string(resp.MemberAssignment), "") {
			in, _ := strconv.Atoi(c)
			k := owned{req.Generation, int32(in)}
			if owner, ok := p.owners[k]; ok && owner != req.MemberID {
				p.s.Fail("input %d belongs to %s and %s in generation %d", in, owner, req.MemberID, req.Generation)
			}
			p.owners[k] = req.MemberID
		}
	case *kmsg.OffsetFetchResponse:
		for _, f := range resp.Groups[0].Topics[0].Partitions {
			if f.ErrorCode != 0 {
				continue
			}
			if f.Offset < p.committed[f.Partition] {
				p.s.Fail("the committed offset of input %d went back from %d to %d", f.Partition, p.committed[f.Partition], f.Offset)
			}
			p.committed[f.Partition] = max(f.Offset, p.committed[f.Partition])
		}
	}
}
