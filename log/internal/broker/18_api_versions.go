package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions (key 18): what may be asked, in which versions. The first request
// of every connection.
func init() {
	register(spec{
		key:    keyApiVersions,
		levels: []levelRange{{level: 1, min: 0, max: 5}},
		changes: []change{
			{0, "the ranges"},
			{1, "throttle time"},
			{3, "flexible; client software name and version; supported and finalized features"},
			{4, "supported features whose minimum is 0 (KAFKA-17011)"},
			{5, "the cluster and node that the client expects (KIP-1242)"},
		},
	}, apiVersions)
}

func apiVersions(_ context.Context, c *call, req *kmsg.ApiVersionsRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	if req.Version >= 3 && !(validSoftware(req.ClientSoftwareName) && validSoftware(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp, nil
	}
	if expects := req.ClusterID; req.Version >= 5 && expects != nil && *expects != c.image().ClusterID().String() ||
		req.Version >= 5 && req.NodeID >= 0 && req.NodeID != c.opts.NodeID {
		resp.ErrorCode = kerr.RebootstrapRequired.Code
	}
	resp.ApiKeys = apiKeys(c.level())
	if req.Version < 3 {
		return resp, nil
	}
	for _, public := range publicFeatures(c.level()) {
		if public.Min > 0 || req.Version >= 4 { // older clients fail on a minimum of 0
			f := kmsg.NewApiVersionsResponseSupportedFeature()
			f.Name, f.MinVersion, f.MaxVersion = public.Name, public.Min, public.Max
			resp.SupportedFeatures = append(resp.SupportedFeatures, f)
		}
		f := kmsg.NewApiVersionsResponseFinalizedFeature()
		f.Name, f.MinVersionLevel, f.MaxVersionLevel = public.Name, public.finalized, public.finalized
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, f)
	}
	resp.FinalizedFeaturesEpoch = int64(c.image().Index())
	return resp, nil
}

func apiKeys(level int16) []kmsg.ApiVersionsResponseApiKey {
	keys := []kmsg.ApiVersionsResponseApiKey{}
	for _, r := range Ranges(level) {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = r.Key, r.Min, r.Max
		keys = append(keys, k)
	}
	return keys
}

// unsupportedApiVersions answers a version that we do not know: in the oldest
// form, which every client can read, with the ranges, so that it asks again in one
// that we do.
func unsupportedApiVersions(level int16) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	resp.ApiKeys = apiKeys(level)
	return resp
}

// validSoftware is KIP-511's rule: letters and digits, inside also dots and dashes.
func validSoftware(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (i == 0 || i == len(s)-1 || c != '.' && c != '-') {
			return false
		}
	}
	return s != ""
}
