package log

import (
	"strings"
	"testing"
)

func TestOptionsReportEveryFaultAtOnce(t *testing.T) {
	o := Options{Sync: "sometimes", Journal: "perhaps", SyncInterval: -1, NodeID: -1, DefaultPartitions: -1, MaxPartitions: -1, Advertised: "nowhere"}
	err := o.validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"DataDir", `"sometimes"`, `"perhaps"`, "SyncInterval", "NodeID", "DefaultPartitions", "MaxPartitions", "nowhere"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in: %v", want, err)
		}
	}
}

func TestAdvertisedAddressIsParsed(t *testing.T) {
	for in, want := range map[string]string{"a:1": "a", "[::1]:9092": "::1", ":1": "", "a": "", "a:0": "", "a:70000": "", "a:b": ""} {
		host, port, err := splitAdvertised(in)
		if host != want || (err == nil) != (want != "") || err == nil && port == 0 {
			t.Errorf("%q: %q %d %v", in, host, port, err)
		}
	}
}
