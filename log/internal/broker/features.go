package broker

import "github.com/millrace/millrace/log/internal/meta"

// feature is a feature as ApiVersions shows it to clients.
type feature struct {
	meta.FeatureRange       // what this node can run at
	finalized         int16 // what the cluster runs at
}

// publicFeatures are the features at a level: those of Kafka that follow from it, and
// the level itself, so that tools for features can show and raise it.
func publicFeatures(level int16) []feature {
	table, _ := meta.LevelOf(level)
	var features []feature
	for _, f := range table.Public {
		features = append(features, feature{f, f.Max})
	}
	own := meta.FeatureRange{Name: meta.FeatureVersion, Min: 1, Max: meta.LatestLevel()}
	return append(features, feature{own, level})
}
