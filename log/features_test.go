package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafka-features upgrades, downgrades and disables features, one request with all of
// them, and takes the answer apart by version.
func TestFeaturesAreUpdated(t *testing.T) {
	_, addr := newNode(t)
	w := dial(t, addr)
	type update struct {
		name  string
		level int16
		kind  int8
	}
	for _, c := range []struct {
		name    string
		updates []update
		want    *kerr.Error
	}{
		{"to what they are", []update{{"millrace.version", 1, 1}, {"transaction.version", 2, 1}}, nil},
		{"beyond what is known", []update{{"millrace.version", 2, 1}}, kerr.InvalidUpdateVersion},
		{"back", []update{{"millrace.version", 0, 2}}, kerr.InvalidUpdateVersion},
		{"one that follows from another, up", []update{{"transaction.version", 3, 1}}, kerr.InvalidUpdateVersion},
		{"one that follows from another, down", []update{{"transaction.version", 1, 3}}, kerr.InvalidUpdateVersion},
		{"one that is none", []update{{"metadata.version", 7, 1}}, kerr.InvalidUpdateVersion},
		{"a type that is none", []update{{"transaction.version", 2, 9}}, kerr.InvalidUpdateVersion},
		{"the same one twice", []update{{"millrace.version", 1, 1}, {"millrace.version", 1, 1}}, kerr.InvalidRequest},
		{"one good, one bad", []update{{"millrace.version", 1, 1}, {"share.version", 1, 1}}, kerr.InvalidUpdateVersion},
	} {
		for v := int16(0); v <= 2; v++ {
			if v == 0 && c.updates[0].kind == 9 {
				continue // it has no types
			}
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.TimeoutMillis, req.ValidateOnly = 10_000, v == 1
			for _, u := range c.updates {
				ru := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
				ru.Feature, ru.MaxVersionLevel, ru.UpgradeType = u.name, u.level, u.kind
				req.FeatureUpdates = append(req.FeatureUpdates, ru)
			}
			resp := ask[*kmsg.UpdateFeaturesResponse](w, v, req)
			want, results := int16(0), len(c.updates)
			if c.want != nil {
				want, results = c.want.Code, 0
			}
			if v == 2 {
				results = 0
			}
			if resp.ErrorCode != want || len(resp.Results) != results || (want != 0) != (resp.ErrorMessage != nil) {
				t.Errorf("%s, v%d: %+v, want error %d and %d results", c.name, v, resp, want, results)
			}
		}
	}
}
