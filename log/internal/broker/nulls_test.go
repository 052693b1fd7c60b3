package broker

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Each of these made a real client fail: librdkafka on the first, the Java admin
// client on the second.
func TestNullsThatClientsCannotReadAreFound(t *testing.T) {
	fetch := kmsg.NewPtrFetchResponse()
	fetch.Version = 11
	topic := kmsg.NewFetchResponseTopic()
	topic.Partitions = append(topic.Partitions, kmsg.NewFetchResponseTopicPartition())
	fetch.Topics = append(fetch.Topics, topic)

	create := kmsg.NewPtrCreateTopicsResponse()
	create.Version = 7
	create.Topics = append(create.Topics, kmsg.NewCreateTopicsResponseTopic())

	for field, resp := range map[string]kmsg.Response{"RecordBatches": fetch, "Configs": create} {
		if err := checkNulls(resp); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%T: %v", resp, err)
		}
	}
	fetch.Topics[0].Partitions[0].RecordBatches = []byte{}
	create.Topics[0].Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	for _, resp := range []kmsg.Response{fetch, create} {
		if err := checkNulls(resp); err != nil {
			t.Error(err)
		}
	}
	// What a version does not send cannot be null in it.
	create.Version, create.Topics[0].Configs = 4, nil
	if err := checkNulls(create); err != nil {
		t.Error(err)
	}
}
