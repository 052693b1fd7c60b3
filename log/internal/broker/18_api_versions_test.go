package broker

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func askApiVersions(w *wire, version int16) *kmsg.ApiVersionsResponse {
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "wire", "1.0"
	req.NodeID = -1
	return ask[*kmsg.ApiVersionsResponse](w, req)
}

// A client that speaks a newer ApiVersions than we do is answered in the oldest
// form with error 35 and our range, and asks again in a version of it.
func TestApiVersionsFallsBackToVersion0(t *testing.T) {
	_, addr := testBroker(t, Limits{})
	w := dial(t, addr)
	// Version 99's request cannot be known: any bytes may follow.
	w.send([]byte{0, 0, 0, 20, 0, 18, 0, 99, 0, 0, 0, 42, 0, 2, 'm', 'e', 9, 9, 9, 9, 9, 9, 9, 9})
	correlation, rest := w.receive()
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(rest); err != nil || correlation != 42 {
		t.Fatalf("answer %d is not of version 0: %v", correlation, err)
	}
	i := slices.IndexFunc(resp.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == 18 })
	if resp.ErrorCode != kerr.UnsupportedVersion.Code || i < 0 || resp.ApiKeys[i].MaxVersion != 5 {
		t.Fatalf("error %d, keys %v", resp.ErrorCode, resp.ApiKeys)
	}
	if again := askApiVersions(w, 5); again.ErrorCode != 0 {
		t.Fatalf("the second try: error %d", again.ErrorCode)
	}
}

// The response's header has no tags although versions from 3 on are flexible: a
// client cannot know before it has the answer. (ask checks it.)
func TestApiVersionsInEveryVersion(t *testing.T) {
	_, addr := testBroker(t, Limits{})
	w := dial(t, addr)
	for v := range int16(6) {
		resp := askApiVersions(w, v)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(handlers()) {
			t.Fatalf("v%d: error %d, %d keys", v, resp.ErrorCode, len(resp.ApiKeys))
		}
		// Clients before version 4 fail on a supported feature whose minimum is 0.
		for _, f := range resp.SupportedFeatures {
			if f.MinVersion == 0 && v < 4 {
				t.Errorf("v%d: %s from 0 on", v, f.Name)
			}
		}
		supported := slices.ContainsFunc(resp.SupportedFeatures, func(f kmsg.ApiVersionsResponseSupportedFeature) bool {
			return f.Name == "transaction.version"
		})
		if supported != (v >= 4) {
			t.Errorf("v%d: transaction.version is supported: %v", v, supported)
		}
		final := slices.ContainsFunc(resp.FinalizedFeatures, func(f kmsg.ApiVersionsResponseFinalizedFeature) bool {
			return f.Name == "transaction.version" && f.MaxVersionLevel == 2
		})
		if final != (v >= 3) {
			t.Errorf("v%d: transaction.version=2 is finalized: %v", v, final)
		}
	}
}

// Each of these minimums is needed by a client that never asks for it: see the
// files of the keys.
func TestApiVersionsMinimums(t *testing.T) {
	want := map[int16]int16{0: 0, 11: 0, 1: 4, 2: 1, 3: 0, 10: 0, 18: 0, 23: 2}
	for _, r := range Ranges(1) {
		if lowest, ok := want[r.Key]; ok && r.Min != lowest {
			t.Errorf("%s is advertised from %d, not %d", kmsg.NameForKey(r.Key), r.Min, lowest)
		}
	}
}

func TestApiVersionsOfAnotherCluster(t *testing.T) {
	_, addr := testBroker(t, Limits{})
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 5, "wire", "1.0"
	req.ClusterID, req.NodeID = new("another"), 1
	if resp := ask[*kmsg.ApiVersionsResponse](dial(t, addr), req); resp.ErrorCode != kerr.RebootstrapRequired.Code {
		t.Fatalf("error %d", resp.ErrorCode)
	}
}

func TestApiVersionsChecksTheClientsName(t *testing.T) {
	for name, good := range map[string]bool{"librdkafka": true, "apache-kafka-java": true, "a.b-c.1": true,
		"": false, "-a": false, "a-": false, "a b": false, "a\n": false} {
		if validSoftware(name) != good {
			t.Errorf("%q: want %v", name, good)
		}
	}
}
