package meta

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// GroupConfig sets or removes one config of a group of consumers. A group need not
// exist to have configs: they are there when it is made, and stay when it is deleted.
type GroupConfig struct {
	Group  string
	Key    string
	Value  string
	Remove bool // back to what the node has; Value is empty
	Tags   []Tag
}

// Type is TypeGroupConfig.
func (*GroupConfig) Type() RecordType { return TypeGroupConfig }

func (r *GroupConfig) encode(e *encoder) {
	e.string(r.Group)
	e.string(r.Key)
	e.string(r.Value)
	e.bool(r.Remove)
	e.tags(r.Tags)
}

func (r *GroupConfig) decode(d *decoder) {
	r.Group, r.Key, r.Value, r.Remove, r.Tags = d.string(), d.string(), d.string(), d.bool(), d.tags()
}

// The configs that a group can have, by Kafka's names.
const (
	GroupSessionKey   = "consumer.session.timeout.ms"
	GroupHeartbeatKey = "consumer.heartbeat.interval.ms"
)

// groupConfigs are those configs, by key. They have no defaults here: what is not set
// is what the coordinator's node has for all groups, whose bounds it knows as well.
var groupConfigs = []TopicConfig{
	{Key: GroupHeartbeatKey, Type: ConfigInt, Min: 1, Max: maxInt,
		Effect: "how often members of the group are to be heard of, if it is one of the consumer protocol"},
	{Key: GroupSessionKey, Type: ConfigInt, Min: 1, Max: maxInt,
		Effect: "silence after which a member of the group is removed, if it is one of the consumer protocol"},
}

// maxGroupConfigs bounds the configs of all groups: whoever may change configs could
// otherwise fill the memory of every node with names.
const maxGroupConfigs = 20_000

// GroupConfigs are the configs that a group can have, by key. The caller owns the
// slice.
func GroupConfigs() []TopicConfig { return append([]TopicConfig(nil), groupConfigs...) }

// groupConfigKey orders the configs of groups by group.
type groupConfigKey struct{ group, key string }

func compareGroupConfigKeys(a, b groupConfigKey) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.key, b.key))
}

// GroupConfig is what a config of a group was set to, and whether it was set.
func (im *Image) GroupConfig(group, key string) (string, bool) {
	r, ok := im.groups.get(groupConfigKey{group, key})
	if !ok {
		return "", false
	}
	return r.Value, true
}

// ConfiguredGroups are the groups with a config that was set, in order.
func (im *Image) ConfiguredGroups() iter.Seq[string] {
	return func(yield func(string) bool) {
		last, any := "", false
		for k := range im.groups.all() {
			if any && k.group == last {
				continue
			}
			if last, any = k.group, true; !yield(k.group) {
				return
			}
		}
	}
}

func (b *batch) applyGroupConfig(r *GroupConfig) error {
	key := groupConfigKey{r.Group, r.Key}
	if !r.Remove {
		b.groups = b.groups.set(key, r)
		return nil
	}
	if _, ok := b.groups.get(key); !ok {
		return fmt.Errorf("%w: group %q has no config %s to remove", ErrInvalidRecord, r.Group, r.Key)
	}
	b.groups = b.groups.remove(key)
	return nil
}

// AlterGroupConfigs changes configs of groups, the groups each for itself. The answer
// is a []error in the same order, of nil or *Refusal.
type AlterGroupConfigs struct {
	Groups []GroupConfigChanges
	// ValidateOnly answers as if, and does nothing.
	ValidateOnly bool
}

// GroupConfigChanges are changes of one group's configs, all or none. No group may be
// named twice in a request.
type GroupConfigChanges struct {
	Group string
	// Replace removes every config that Changes does not set.
	Replace bool
	Changes []ConfigChange
}

// AlterGroupConfigs changes configs of groups. The errors are in the order of the
// request.
func (m *Meta) AlterGroupConfigs(ctx context.Context, req AlterGroupConfigs) ([]error, error) {
	return ask[[]error](ctx, m, req)
}

// alterGroupConfigs decides on changes of configs of groups.
func (c *Controller) alterGroupConfigs(req AlterGroupConfigs) (any, []Record) {
	results := make([]error, len(req.Groups))
	count := c.image.groups.len()
	var all []Record
	for i, change := range req.Groups {
		records, err := c.changedGroup(change)
		added := 0
		for _, r := range records {
			if _, there := c.image.GroupConfig(r.Group, r.Key); !there {
				added++
			}
		}
		if err == nil && count+added > maxGroupConfigs {
			err = refuse(kerr.PolicyViolation, "groups have %d configs already, %d is the limit: remove some", count, maxGroupConfigs)
		}
		if err != nil {
			results[i] = err
			continue
		}
		count += added
		for _, r := range records {
			all = append(all, r)
		}
	}
	if req.ValidateOnly {
		all = nil
	}
	return results, all
}

// changedGroup are the records of one group's changes: none for what is so already.
func (c *Controller) changedGroup(change GroupConfigChanges) ([]*GroupConfig, error) {
	if change.Group == "" {
		return nil, refuse(kerr.InvalidRequest, "configs of groups belong to one group: the name is empty")
	}
	if len(change.Group) > maxStringBytes {
		return nil, refuse(kerr.InvalidRequest, "the group's name has %d bytes", len(change.Group))
	}
	var records []*GroupConfig
	named := map[string]bool{}
	for _, ch := range change.Changes {
		if named[ch.Key] {
			return nil, refuse(kerr.InvalidRequest, "config %s of group %q is changed twice", ch.Key, change.Group)
		}
		named[ch.Key] = true
		if err := CheckGroupConfig(ch); err != nil {
			return nil, err
		}
		old, set := c.image.GroupConfig(change.Group, ch.Key)
		switch {
		case ch.Op == ConfigDelete && set:
			records = append(records, &GroupConfig{Group: change.Group, Key: ch.Key, Remove: true})
		case ch.Op == ConfigSet && (!set || old != ch.Value):
			records = append(records, &GroupConfig{Group: change.Group, Key: ch.Key, Value: ch.Value})
		}
	}
	if change.Replace {
		for _, def := range groupConfigs {
			if _, set := c.image.GroupConfig(change.Group, def.Key); set && !named[def.Key] {
				records = append(records, &GroupConfig{Group: change.Group, Key: def.Key, Remove: true})
			}
		}
	}
	return records, nil
}

// CheckGroupConfig refuses a change of a config that groups do not have, or to a value
// that no node takes. Whether it is within a node's bounds is for the node to say. The
// error is a *Refusal.
func CheckGroupConfig(ch ConfigChange) error {
	for _, def := range groupConfigs {
		if def.Key != ch.Key {
			continue
		}
		switch ch.Op {
		case ConfigDelete:
			return nil
		case ConfigSet:
			if err := def.check(ch.Value); err != nil {
				return refuse(kerr.InvalidConfig, "%s=%q: %v", ch.Key, ch.Value, err)
			}
			return nil
		case ConfigAppend, ConfigSubtract:
			return refuse(kerr.InvalidConfig, "%s is no list: it can be set or deleted", ch.Key)
		}
		return refuse(kerr.InvalidRequest, "no config operation %d", ch.Op)
	}
	var known []string
	for _, def := range groupConfigs {
		known = append(known, def.Key)
	}
	return refuse(kerr.InvalidConfig, "groups have no config %q, only %s", ch.Key, strings.Join(known, " and "))
}
