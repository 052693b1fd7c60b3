package broker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
)

// synonym is one of the places that a value may come from, the first that has one
// being the one that counts.
type synonym struct {
	key, value string
	source     kmsg.ConfigSource
}

// topicConfigs are all configs of a topic, set or default, by key.
func topicConfigs(t *meta.Topic) []configEntry {
	var entries []configEntry
	for _, def := range meta.TopicConfigs() {
		var places []synonym
		if v, ok := t.Config(def.Key); ok {
			places = append(places, synonym{def.Key, v, kmsg.ConfigSourceDynamicTopicConfig})
		}
		if v, ok := t.Default(def.Key); ok {
			places = append(places, synonym{def.BrokerKey(), v, kmsg.ConfigSourceDynamicDefaultBrokerConfig})
		}
		places = append(places, synonym{def.BrokerKey(), def.Default, kmsg.ConfigSourceDefaultConfig})
		entries = append(entries, entryOf(def, places, t.Internal))
	}
	return entries
}

// defaultConfigs are the configs of nodes that are the defaults of topics'.
func defaultConfigs(im *meta.Image) []configEntry {
	set := map[string]string{}
	for key, value := range im.Defaults() {
		set[key] = value
	}
	var entries []configEntry
	for _, def := range meta.TopicConfigs() {
		key := def.BrokerKey()
		var places []synonym
		if v, ok := set[key]; ok {
			places = append(places, synonym{key, v, kmsg.ConfigSourceDynamicDefaultBrokerConfig})
		}
		places = append(places, synonym{key, def.Default, kmsg.ConfigSourceDefaultConfig})
		e := entryOf(def, places, false)
		e.Key, e.Effect = key, "default of the topic config "+def.Key
		entries = append(entries, e)
	}
	return entries
}

func entryOf(def meta.TopicConfig, places []synonym, readOnly bool) configEntry {
	return configEntry{TopicConfig: def, value: places[0].value, source: places[0].source, synonyms: places, readOnly: readOnly}
}

// setDefaults are those of defaultConfigs that were set.
func setDefaults(im *meta.Image) []configEntry {
	var set []configEntry
	for _, e := range defaultConfigs(im) {
		if e.source == kmsg.ConfigSourceDynamicDefaultBrokerConfig {
			e.synonyms = e.synonyms[:1]
			set = append(set, e)
		}
	}
	return set
}

// alterBroker changes the configs of all nodes, which have no name, or says why those
// of one node cannot be changed.
func (c *call) alterBroker(ctx context.Context, a *alterResource, validateOnly bool) error {
	if a.name == "" {
		return c.opts.Meta.AlterDefaults(ctx, meta.AlterDefaults{Replace: a.replace, Changes: a.changes, ValidateOnly: validateOnly})
	}
	id, err := strconv.Atoi(a.name)
	switch {
	case err != nil:
		return refused(kerr.InvalidRequest, fmt.Sprintf("%q is no node id", a.name))
	case int32(id) != c.opts.NodeID:
		return refused(kerr.InvalidRequest, fmt.Sprintf("this is node %d, not %d", c.opts.NodeID, id))
	case len(a.changes) > 0:
		return refused(kerr.InvalidRequest, fmt.Sprintf("%s of one node cannot be changed while it runs: what it is given at its start is changed there (--config), and the defaults of topics for all nodes at once, naming none", a.changes[0].Key))
	}
	return nil
}
