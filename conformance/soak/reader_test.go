package soak

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// within is a context that ends sooner.
func within(ctx context.Context, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// gave keeps what a poll gave, and says whether the client began anew somewhere.
func (a *actor) gave(fetches kgo.Fetches, readCommitted bool, group string) (anew bool) {
	begin := a.h.now()
	fetches.EachError(func(topic string, p int32, err error) {
		if !lostByItsWord(err) {
			return
		}
		if anew = true; group == "" && (readCommitted || topics[topic].Compacted) {
			return // see tail
		}
		a.h.add(begin, event{Who: a.name, Alarm: fmt.Sprintf("%s/%d: %v", topic, p, err)})
	})
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		e := &polled{In: partition{p.Topic, p.Partition}, Committed: readCommitted, Group: group}
		for _, r := range p.Records {
			if !r.Attrs.IsControl() {
				e.Seen = append(e.Seen, a.h.see(r))
			}
		}
		if len(e.Seen) > 0 {
			a.h.add(begin, event{Who: fmt.Sprintf("%s-%d", a.name, a.lives), Poll: e})
		}
	})
	return anew
}

// tail reads partitions from their start on, for as long as the run lasts.
//
// franz-go asks at each new leader epoch whether the log was cut below where it is. It
// takes its own epoch from the last record that it gave out, and is told wrong if what
// it read after that, of a later epoch, were markers, aborted records or batches that
// compaction has emptied. So tails have the markers given out too, which is enough but
// for the other two; there a tail that was told wrong begins as another.
func tail(partitions []partition, readCommitted bool) func(*actor) {
	return func(a *actor) {
		at := map[string]map[int32]kgo.Offset{}
		for _, p := range partitions {
			if at[p.Topic] == nil {
				at[p.Topic] = map[int32]kgo.Offset{}
			}
			at[p.Topic][p.Index] = kgo.NewOffset().AtStart()
		}
		isolation := kgo.ReadUncommitted()
		if readCommitted {
			isolation = kgo.ReadCommitted()
		}
		for !a.over() {
			cl := a.client(kgo.ConsumePartitions(at), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords())
			for !a.over() && !a.gave(cl.PollFetches(a.ctx), readCommitted, "") {
			}
			cl.Close()
		}
	}
}
