package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/group"
	"github.com/millrace/millrace/log/internal/meta"
)

// groupKeys are the configs of nodes that hold for groups which have none of their own,
// by the key of the group's.
var groupKeys = map[string]string{
	meta.GroupSessionKey:   "group.consumer.session.timeout.ms",
	meta.GroupHeartbeatKey: "group.consumer.heartbeat.interval.ms",
}

// groupEntries are all configs of a group, set or the node's. There need not be such a
// group.
func (c *call) groupEntries(name string) []configEntry {
	node := map[string]configEntry{}
	for _, e := range groupConfigs(c.opts.Groups.Config()) {
		node[e.Key] = e
	}
	var entries []configEntry
	for _, def := range meta.GroupConfigs() {
		var places []synonym
		if v, ok := c.image().GroupConfig(name, def.Key); ok {
			places = append(places, synonym{def.Key, v, kmsg.ConfigSourceGroupConfig})
		}
		entries = append(entries, entryOf(def, append(places, node[groupKeys[def.Key]].places()...), false))
	}
	return entries
}

// alterGroups makes the changes of groups, each of which the node's bounds must allow,
// and fills in their outcome.
func (c *call) alterGroups(ctx context.Context, alters []*alterResource, validateOnly bool) {
	req := meta.AlterGroupConfigs{ValidateOnly: validateOnly}
	var of []*alterResource
	for _, a := range alters {
		if a.err = c.checkGroup(a); a.err == nil {
			req.Groups = append(req.Groups, meta.GroupConfigChanges{Group: a.name, Replace: a.replace, Changes: a.changes})
			of = append(of, a)
		}
	}
	if len(of) == 0 {
		return
	}
	results, err := c.opts.Meta.AlterGroupConfigs(ctx, req)
	for i, a := range of {
		if a.err = err; err == nil {
			a.err = results[i]
		}
	}
}

// checkGroup says why what a group would have is not within the node's bounds. What is
// wrong with the change itself, whoever makes it, the metadata says.
func (c *call) checkGroup(a *alterResource) error {
	if a.name == "" {
		return refused(kerr.InvalidRequest, "configs belong to one group: name it; what holds for all is given to nodes at their start (group.consumer.session.timeout.ms)")
	}
	values := map[string]string{}
	if !a.replace {
		for _, def := range meta.GroupConfigs() {
			values[def.Key], _ = c.image().GroupConfig(a.name, def.Key)
		}
	}
	sets := false
	for _, ch := range a.changes {
		if err := meta.CheckGroupConfig(ch); err != nil {
			return err
		}
		values[ch.Key] = ""
		if ch.Op == meta.ConfigSet {
			values[ch.Key], sets = ch.Value, true
		}
	}
	if !sets {
		return nil // the way back is always open
	}
	if err := c.opts.Groups.Config().Check(TimesOf(func(key string) string { return values[key] })); err != nil {
		return refused(kerr.InvalidConfig, fmt.Sprintf("group %s: %v", a.name, err))
	}
	return nil
}

// TimesOf are the times that configs of a group say, each of which passed the check or
// is "".
func TimesOf(value func(key string) string) group.Times {
	ms := func(key string) time.Duration {
		n, _ := strconv.ParseInt(value(key), 10, 32)
		return time.Duration(n) * time.Millisecond
	}
	return group.Times{Session: ms(meta.GroupSessionKey), Heartbeat: ms(meta.GroupHeartbeatKey)}
}
