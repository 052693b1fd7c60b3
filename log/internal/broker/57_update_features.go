package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/meta"
)

// UpdateFeatures (key 57): what the cluster is finalized at (KIP-584). There is one
// feature to change, millrace.version; Kafka's own follow from it.
func init() {
	register(spec{
		key:    57,
		levels: []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "features with the level that each is to have; flexible"},
			{1, "validate only; a type of upgrade instead of the permission to downgrade"},
			{2, "no results for each feature any more"},
		},
		deviations: []string{"Only `millrace.version` can be changed, and it never goes back; `transaction.version` and the other features of Kafka follow from it."},
	}, updateFeatures)
}

// upgrade is the type of an update that goes up. The others are downgrades.
const upgrade = 1

func updateFeatures(ctx context.Context, c *call, req *kmsg.UpdateFeaturesRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	resp.Results = []kmsg.UpdateFeaturesResponseResult{}
	if !c.allowedOnCluster(acl.Alter) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	ctx, cancel := within(ctx, req.TimeoutMillis)
	defer cancel()
	if err := c.updateFeatures(ctx, req); err != nil {
		resp.ErrorCode, resp.ErrorMessage = refusal(err)
		return resp, nil
	}
	if req.Version < 2 {
		for _, u := range req.FeatureUpdates {
			r := kmsg.NewUpdateFeaturesResponseResult()
			r.Feature = u.Feature
			resp.Results = append(resp.Results, r)
		}
	}
	return resp, nil
}

// updateFeatures makes all updates or none. All but one only have to name what is so
// already, so they are checked first.
func (c *call) updateFeatures(ctx context.Context, req *kmsg.UpdateFeaturesRequest) error {
	var own *kmsg.UpdateFeaturesRequestFeatureUpdate
	for i := range req.FeatureUpdates {
		u := &req.FeatureUpdates[i]
		if slices.ContainsFunc(req.FeatureUpdates[:i], func(o kmsg.UpdateFeaturesRequestFeatureUpdate) bool { return o.Feature == u.Feature }) {
			return refused(kerr.InvalidRequest, "feature "+u.Feature+" is named more than once")
		}
		if err := c.checkUpdate(req.Version, u); err != nil {
			return refused(kerr.InvalidUpdateVersion, fmt.Sprintf("no feature was changed: %s %d: %s", u.Feature, u.MaxVersionLevel, err.Reason))
		}
		if u.Feature == meta.FeatureVersion {
			own = u
		}
	}
	if own == nil {
		return nil
	}
	return c.opts.Meta.FinalizeFeature(ctx, meta.FinalizeFeature{
		Name: meta.FeatureVersion, Level: own.MaxVersionLevel, ValidateOnly: req.Version >= 1 && req.ValidateOnly})
}

// checkUpdate says why a feature cannot get the level that it is to have.
func (c *call) checkUpdate(version int16, u *kmsg.UpdateFeaturesRequestFeatureUpdate) *meta.Refusal {
	no := func(format string, args ...any) *meta.Refusal {
		return &meta.Refusal{Code: kerr.InvalidUpdateVersion, Reason: fmt.Sprintf(format, args...)}
	}
	finalized, supported := c.feature(u.Feature)
	kind := u.UpgradeType
	if version == 0 {
		kind = upgrade
	}
	switch {
	case !supported:
		return no("there is no such feature")
	case kind < upgrade || kind > 3:
		return no("there is no upgrade type %d", kind)
	case u.MaxVersionLevel > finalized && kind != upgrade:
		return no("it is at %d, and a downgrade was asked for", finalized)
	case u.MaxVersionLevel < finalized:
		return no("it is at %d and never goes back", finalized)
	case u.MaxVersionLevel > finalized && u.Feature != meta.FeatureVersion:
		return no("it follows from %s and is at %d", meta.FeatureVersion, finalized)
	}
	return nil
}

// feature is the level at which a feature is finalized; false if there is none.
func (c *call) feature(name string) (int16, bool) {
	for _, f := range publicFeatures(c.level()) {
		if f.Name == name {
			return f.finalized, true
		}
	}
	return 0, false
}
