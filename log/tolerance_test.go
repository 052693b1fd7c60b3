package log

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests that clients in use send although they are wrong, and that Kafka answers.

// A Python program that lists the topics got "broker transport failure", again and
// again. librdkafka up to 2.16 writes null for "all topics" in Metadata 9 and later as
// four bytes where there should be one, so the frame has three more than the request.
// Kafka does not look at what follows a request; we closed the connection. The old
// tests had only frames that kmsg had made.
func TestBytesAfterARequestAreIgnored(t *testing.T) {
	_, addr := newNode(t)
	createTopic(t, addr, "t", 1, nil)
	w := dial(t, addr)
	const version = 13
	body := []byte{0, 0, 0, 0, 1, 0, 0} // null, then: do not create, say no rights, no tags
	header := []byte{0, 0, 0, 0, 0, 3, 0, version, 0, 0, 0, 1, 0, 1, 'c', 0}
	frame := append(header, body...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	if _, err := w.Write(frame); err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Version = version
	resp, err := w.receive(req)
	if err != nil {
		t.Fatal(err)
	}
	topics := resp.(*kmsg.MetadataResponse).Topics
	for _, topic := range topics {
		if *topic.Topic == "t" {
			return
		}
	}
	t.Fatalf("the answer has %d topics and not t", len(topics))
}
