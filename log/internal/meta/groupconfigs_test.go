package meta

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Names of groups are free, so their configs are what an admin's mistake in a loop could
// fill a cluster's memory with: there is a limit, and what is there can still change.
func TestGroupConfigsAreBounded(t *testing.T) {
	c := NewController(ControllerOptions{})
	var all []Record
	for i := range maxGroupConfigs - 1 {
		all = append(all, &GroupConfig{Group: fmt.Sprintf("g%05d", i), Key: GroupSessionKey, Value: "50000"})
	}
	im, err := c.image.Apply(1, all)
	if err != nil {
		t.Fatal(err)
	}
	c.image = im
	set := func(group, key string) GroupConfigChanges {
		return GroupConfigChanges{Group: group, Changes: []ConfigChange{{Key: key, Value: "6000"}}}
	}
	results, records := c.alterGroupConfigs(AlterGroupConfigs{Groups: []GroupConfigChanges{
		set("g00000", GroupHeartbeatKey), set("g00001", GroupHeartbeatKey), set("g00002", GroupSessionKey),
	}})
	var refused []bool
	for _, err := range results.([]error) {
		r := (*Refusal)(nil)
		refused = append(refused, errors.As(err, &r) && r.Code == kerr.PolicyViolation)
	}
	if !slices.Equal(refused, []bool{false, true, false}) || len(records) != 2 {
		t.Errorf("refused %v with %d records: the last free place, one too many, a change", refused, len(records))
	}
}

func TestConfiguredGroups(t *testing.T) {
	im, err := NewImage().Apply(1, []Record{
		&GroupConfig{Group: "b", Key: GroupSessionKey, Value: "1"}, &GroupConfig{Group: "b", Key: GroupHeartbeatKey, Value: "1"},
		&GroupConfig{Group: "a", Key: GroupSessionKey, Value: "1"}, &GroupConfig{Group: "c", Key: GroupSessionKey, Value: "1"},
		&GroupConfig{Group: "c", Key: GroupSessionKey, Remove: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(im.ConfiguredGroups()); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("configured groups: %q", got)
	}
	if _, err := im.Apply(2, []Record{&GroupConfig{Group: "c", Key: GroupSessionKey, Remove: true}}); !errors.Is(err, ErrInvalidRecord) {
		t.Errorf("a removal of nothing: %v", err)
	}
}
