package soak

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// txnWriter writes transactions over several partitions of topics, one of which may be
// compacted. Some it commits, some it aborts, and some it leaves as they are: the next
// client of the same transactional id has them aborted, or else their timeout.
func txnWriter(topics map[string]int32, compacted string, opts ...kgo.Opt) func(*actor) {
	return func(a *actor) {
		opts := append([]kgo.Opt{kgo.TransactionalID(a.name), kgo.TransactionTimeout(20 * time.Second)}, opts...)
		cl := a.client(opts...)
		for !a.over() {
			if !a.transaction(cl, topics, compacted) {
				cl.Close()
				cl = a.client(opts...)
			}
			a.pause(2 * a.slow)
		}
		cl.Close()
		a.settle(opts)
	}
}

// settle has whatever was left open aborted, so that in the end everything is decided.
func (a *actor) settle(opts []kgo.Opt) {
	cl := a.client(opts...)
	defer cl.Close()
	if _, _, err := cl.ProducerID(a.hurry); err != nil {
		a.failed("%s: its last transaction was not settled: %v", a.name, err)
	}
}

// transaction writes one, and says whether the client can write more.
func (a *actor) transaction(cl *kgo.Client, topics map[string]int32, compacted string) bool {
	a.txns++
	id := fmt.Sprintf("%s#%d", a.name, a.txns)
	a.broken.Store(0)
	if err := cl.BeginTransaction(); err != nil {
		return false
	}
	begin := a.h.now()
	for topic, partitions := range topics {
		for range 1 + a.rng.IntN(6) {
			o := outgoing{in: partition{topic, a.rng.Int32N(partitions)}, exact: true}
			if topic == compacted {
				o = a.keyed(topic, partitions)
			}
			o.txn = id
			a.send(cl, o)
		}
	}
	end := func(o outcome) { a.h.add(begin, event{Who: a.name, Txn: &ended{id, o}}) }
	switch a.rng.IntN(10) {
	case 0: // leave it, some of it perhaps not even sent
		if a.rng.IntN(2) == 0 {
			_ = cl.Flush(a.hurry)
		}
		end(isAborted)
		return false
	case 1, 2:
		if a.rng.IntN(2) == 0 {
			_ = cl.Flush(a.hurry)
		}
		_ = cl.AbortBufferedRecords(a.hurry)
		err := cl.EndTransaction(a.hurry, kgo.TryAbort)
		end(isAborted) // whatever it says: nobody asked for a commit
		return err == nil
	}
	if err := cl.Flush(a.hurry); err != nil {
		end(isUnknown)
		return false
	}
	o, good := a.commit(cl)
	end(o)
	return good
}

// commit ends a transaction and says how, as far as it is known. One of which a record
// has failed is aborted: its timeout may have passed while the node was away.
func (a *actor) commit(cl *kgo.Client) (outcome, bool) {
	if a.broken.Load() == 0 {
		err := cl.EndTransaction(a.hurry, kgo.TryCommit)
		if err == nil {
			return isCommitted, true
		} else if !errors.Is(err, kerr.OperationNotAttempted) {
			return isUnknown, false
		}
	}
	return isAborted, cl.EndTransaction(a.hurry, kgo.TryAbort) == nil
}

// transformer reads a topic as a member of a group and writes outputs of each record
// to another, in transactions that hold the group's offsets.
func transformer(group, in, out string, partitions int32, opts ...kgo.Opt) func(*actor) {
	return func(a *actor) {
		for !a.done(group) {
			a.transform(group, in, out, partitions, opts)
		}
	}
}

// transform is the life of one member: it ends when its client cannot go on, now and
// then in the middle of a transaction, or when there is no more input.
func (a *actor) transform(group, in, out string, partitions int32, opts []kgo.Opt) {
	a.lives++
	s, err := kgo.NewGroupTransactSession(a.patient(append([]kgo.Opt{
		kgo.TransactionalID(a.name), kgo.TransactionTimeout(10 * time.Second), kgo.ConsumerGroup(group), kgo.ConsumeTopics(in),
		kgo.ClientID(fmt.Sprintf("%s-%d", a.name, a.lives)), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(300 * time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, opts...)...)...)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	for !a.done(group) {
		if !a.transformed(s, group, out, partitions) {
			return
		}
	}
}

func (a *actor) transformed(s *kgo.GroupTransactSession, group, out string, partitions int32) bool {
	fetches := s.PollRecords(within(a.hurry, 500*time.Millisecond), 1+a.rng.IntN(60))
	a.gave(fetches, true, group)
	if fetches.NumRecords() == 0 {
		return a.hurry.Err() == nil
	}
	a.txns++
	id := fmt.Sprintf("%s#%d", a.name, a.txns)
	a.broken.Store(0)
	begin := a.h.now()
	if err := s.Begin(); err != nil {
		return false
	}
	fetches.EachRecord(func(r *kgo.Record) {
		for part := range outputsOfEach {
			a.send(s.Client(), outgoing{in: partition{out, a.rng.Int32N(partitions)}, exact: true, txn: id,
				source: fmt.Sprintf("%s#%d", source(group, partition{r.Topic, r.Partition}, r.Offset), part)})
		}
	})
	end := func(o outcome) { a.h.add(begin, event{Who: a.name, Txn: &ended{id, o}}) }
	if a.rng.IntN(40) == 0 && !a.over() {
		end(isAborted)
		return false
	}
	commit := a.rng.IntN(8) > 0 && s.Client().Flush(a.hurry) == nil && a.broken.Load() == 0
	committed, err := s.End(a.hurry, kgo.TransactionEndTry(commit))
	switch {
	case committed:
		end(isCommitted)
	case err == nil || !commit:
		end(isAborted)
	default:
		end(isUnknown)
	}
	return err == nil
}
