package coord

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestOwn: a member's metadata lay in a frame that was given back and used for the
// next request, and the group handed out whatever was in it by then.
func TestOwn(t *testing.T) {
	frame := []byte("metadata")
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.ProtocolType = 5, "g", "consumer"
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: frame}}
	req.Reason = kmsg.StringPtr("not in version 5")
	got, err := Own(req)
	if err != nil {
		t.Fatal(err)
	}
	copy(frame, "poisoned")
	own := got.(*kmsg.JoinGroupRequest)
	if own.Version != 5 || own.Group != "g" || string(own.Protocols[0].Metadata) != "metadata" || own.Reason != nil {
		t.Fatalf("copy is %+v", own)
	}
}
