package log

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/replica"
)

// coordinator is what the group and the transaction coordinator have in common for
// those who tell them what they lead.
type coordinator interface {
	Elected(partition int32, epoch int32, log coord.Log)
	Resigned(partition int32)
}

// leadership follows the metadata and tells the coordinators which partitions of
// their topics this node leads.
//
// Images come one after the other and some may be skipped, so what to tell is the
// difference between the image and what was told before, never a single change.
type leadership struct {
	node     int32
	meta     *meta.Meta
	replicas *replica.Manager
	topics   []coordinated
	groups   *group.Coordinator
	logger   *slog.Logger
}

// coordinated is an internal topic and who keeps its state in it.
type coordinated struct {
	topic string
	by    coordinator
	led   map[int32]int32 // partition -> leader epoch that was told
}

// run follows until ctx ends. The first image has been taken with update before.
func (l *leadership) run(ctx context.Context) {
	changed, stop := l.meta.Watch()
	defer stop()
	if err := l.forgetStrangers(ctx); err != nil && ctx.Err() == nil {
		l.logger.Error("drop offsets of topics that are gone", "error", err)
	}
	for {
		if err := l.update(ctx); err != nil && ctx.Err() == nil {
			l.logger.Error("follow the metadata", "error", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// update tells the coordinators what has changed since the last update.
func (l *leadership) update(ctx context.Context) error {
	im := l.meta.Image()
	if err := l.replicas.Sync(ctx, im.Index()); err != nil {
		return err
	}
	var errs []error
	for i := range l.topics {
		errs = append(errs, l.elect(im, &l.topics[i]))
	}
	return errors.Join(errs...)
}

// elect compares who leads a coordinator's partitions with what it was told.
func (l *leadership) elect(im *meta.Image, c *coordinated) error {
	t := im.TopicByName(c.topic)
	if t == nil {
		return nil
	}
	var errs []error
	for _, p := range t.Partitions {
		told, leads := c.led[p.Index]
		if p.Leader != l.node {
			if leads {
				c.by.Resigned(p.Index)
				delete(c.led, p.Index)
			}
			continue
		}
		if leads && told == p.LeaderEpoch {
			continue
		}
		led, err := l.replicas.Partition(t.ID, p.Index)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if leads {
			c.by.Resigned(p.Index)
		}
		c.by.Elected(p.Index, p.LeaderEpoch, &coordinatorLog{led, p.LeaderEpoch})
		c.led[p.Index] = p.LeaderEpoch
	}
	return errors.Join(errs...)
}

// forgetStrangers drops the committed offsets of topics that are not there. Who
// deletes a topic drops them too, but the life before may have ended in between, and
// a topic that gets the name one day must start without a past.
func (l *leadership) forgetStrangers(ctx context.Context) error {
	groups, err := l.listGroups(ctx)
	if err != nil {
		return err
	}
	im := l.meta.Image()
	strangers := map[string]bool{}
	for _, g := range groups {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version, req.Group = 7, g // of all topics
		resp, err := l.groups.Handle(ctx, coord.Meta{}, req)
		if err != nil {
			return err
		}
		for _, t := range resp.(*kmsg.OffsetFetchResponse).Topics {
			if im.TopicByName(t.Topic) == nil {
				strangers[t.Topic] = true
			}
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	return l.groups.TopicsDeleted(ctx, slices.Sorted(maps.Keys(strangers)))
}

// listGroups are the groups of this node, once the coordinators have read their logs.
func (l *leadership) listGroups(ctx context.Context) ([]string, error) {
	for {
		req := kmsg.NewPtrListGroupsRequest()
		resp, err := l.groups.Handle(ctx, coord.Meta{}, req)
		if err != nil {
			return nil, err
		}
		list := resp.(*kmsg.ListGroupsResponse)
		if list.ErrorCode == 0 {
			var ids []string
			for _, g := range list.Groups {
				ids = append(ids, g.Group)
			}
			return ids, nil
		}
		select {
		case <-time.After(loadingPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// loadingPause is how long to wait for coordinators that are reading their logs.
const loadingPause = 20 * time.Millisecond

// coordinatorLog is a partition of an internal topic as a coordinator sees it, in
// one leader epoch.
type coordinatorLog struct {
	partition *replica.Partition
	epoch     int32
}

var _ coord.Log = (*coordinatorLog)(nil)

// Append is refused once the partition is in another leader epoch.
func (l *coordinatorLog) Append(batch []byte, committed func(baseOffset int64, err error)) {
	l.partition.Enqueue(batch,
		replica.AppendOptions{Origin: replica.FromCoordinator, Acks: replica.AcksAll, LeaderEpoch: l.epoch},
		func(r replica.Result, err error) { committed(r.BaseOffset, err) })
}

// Start is the first offset.
func (l *coordinatorLog) Start() int64 { return l.partition.LogStart() }

// End is the offset after the last that was appended.
func (l *coordinatorLog) End() int64 { return l.partition.LogEnd() }

// WaitCommitted returns when the high watermark has reached offset.
func (l *coordinatorLog) WaitCommitted(ctx context.Context, offset int64) error {
	return l.partition.WaitCommitted(ctx, offset)
}

// Read gives whole record batches, at least one.
func (l *coordinatorLog) Read(_ context.Context, offset int64, maxBytes int) ([]byte, error) {
	r, err := l.partition.Fetch(offset, maxBytes, replica.ReadUncommitted, true)
	return r.Batches, err
}

// topicsView is the metadata as coordinators see it.
type topicsView struct{ *meta.Image }

var (
	_ coord.Catalog  = topicsView{}
	_ group.Settings = topicsView{}
)

// GroupTimes is what was set for the members of a group.
func (v topicsView) GroupTimes(id string) group.Times {
	return broker.TimesOf(func(key string) string {
		value, _ := v.Image.GroupConfig(id, key)
		return value
	})
}

// Name is the name of a topic id.
func (v topicsView) Name(id [16]byte) (string, bool) {
	if t := v.Image.Topic(id); t != nil {
		return t.Name, true
	}
	return "", false
}

// Topic is the id and the number of partitions of a name.
func (v topicsView) Topic(name string) (id [16]byte, partitions int32, ok bool) {
	t := v.TopicByName(name)
	if t == nil {
		return id, 0, false
	}
	return t.ID, int32(len(t.Partitions)), true
}

// Names are the names of all topics.
func (v topicsView) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for t := range v.Topics() {
			if !yield(t.Name) {
				return
			}
		}
	}
}

// Version is the index of the newest change that the image has.
func (v topicsView) Version() uint64 { return v.Index() + 1 }
