package meta

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// FeatureVersion is the feature whose level decides what this cluster writes and
// says: record versions, internal formats, API ranges, the protocol between nodes.
const FeatureVersion = "millrace.version"

// Level is what a level of millrace.version stands for. It is a pure function of
// the level, the same on every node.
type Level struct {
	Number int16
	// Records are the versions in which record types are written.
	Records map[RecordType]uint16
	// Public are the features that ApiVersions shows to clients, by name; Min and
	// Max are what is supported and Max is what is finalized.
	Public []FeatureRange
}

// levels by number, from 1. A level that was released is never changed.
var levels = []Level{
	{
		Number: 1,
		Records: map[RecordType]uint16{TypeCluster: 1, TypeFeature: 1, TypeBroker: 1, TypeTopic: 1,
			TypeTopicRemoval: 1, TypePartition: 1, TypeConfig: 1, TypeProducerIDBlock: 1, TypeClientQuota: 1,
			TypeScramCredential: 1, TypeACL: 1, TypeGroupConfig: 1},
		Public: []FeatureRange{{Name: "group.version", Min: 0, Max: 1}, {Name: "transaction.version", Min: 0, Max: 2}},
	},
}

// LatestLevel is the highest level that this program knows.
func LatestLevel() int16 { return levels[len(levels)-1].Number }

// LevelOf is the table of a level. Level 0, before the cluster is made, is that of
// level 1.
func LevelOf(number int16) (Level, bool) {
	i := slices.IndexFunc(levels, func(l Level) bool { return l.Number == max(number, 1) })
	if i < 0 {
		return Level{}, false
	}
	return levels[i], true
}

// SupportedFeatures are the ranges that a broker of this program registers.
func SupportedFeatures() []FeatureRange {
	return []FeatureRange{{Name: FeatureVersion, Min: 1, Max: LatestLevel()}}
}

// finalize decides on raising a feature.
func (c *Controller) finalize(req FinalizeFeature) ([]Record, error) {
	current := c.image.Feature(req.Name)
	switch {
	case req.Name != FeatureVersion:
		return nil, refuse(kerr.FeatureUpdateFailed, "no feature %q: only %s can be finalized", req.Name, FeatureVersion)
	case req.Level < current:
		return nil, refuse(kerr.InvalidUpdateVersion, "%s is finalized at %d and never goes back", req.Name, current)
	case req.Level > LatestLevel():
		return nil, refuse(kerr.InvalidUpdateVersion, "%s %d is unknown here: the latest is %d", req.Name, req.Level, LatestLevel())
	}
	for b := range c.image.Brokers() {
		i := slices.IndexFunc(b.Features, func(f FeatureRange) bool { return f.Name == req.Name })
		if i < 0 || b.Features[i].Max < req.Level {
			return nil, refuse(kerr.InvalidUpdateVersion, "node %d cannot run at %s %d: upgrade it first", b.NodeID, req.Name, req.Level)
		}
	}
	if req.Level == current || req.ValidateOnly {
		return nil, nil
	}
	return []Record{&Feature{Name: req.Name, Level: req.Level}}, nil
}
