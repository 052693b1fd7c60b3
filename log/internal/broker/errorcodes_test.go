package broker

import (
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fillCodes gives every array of a response two elements, and every error code another
// number. It is the simple walk that the fast one is compared with.
func fillCodes(v reflect.Value, next *int16, codes *[]int16) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case name == "ErrorCode" && f.Kind() == reflect.Int16:
			*next++
			f.SetInt(int64(*next))
			*codes = append(*codes, *next)
		case f.Kind() == reflect.Struct:
			fillCodes(f, next, codes)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			f.Set(reflect.MakeSlice(f.Type(), 2, 2))
			for j := range 2 {
				fillCodes(f.Index(j), next, codes)
			}
		}
	}
}

// TestAllErrorCodesAreSeen puts a code of its own into every place of every response
// that has one.
func TestAllErrorCodesAreSeen(t *testing.T) {
	for _, h := range handlers() {
		resp := kmsg.ResponseForKey(h.key)
		if got := faultsOf(resp); got != nil {
			t.Errorf("%s: an empty response has %+v", kmsg.NameForKey(h.key), got)
		}
		var next int16
		var want, got []int16
		fillCodes(reflect.ValueOf(resp).Elem(), &next, &want)
		for _, f := range faultsOf(resp) {
			got = append(got, f.code)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %v, want %v", kmsg.NameForKey(h.key), got, want)
		}
		if len(want) == 0 {
			t.Errorf("%s has no error code: does it call it something else?", kmsg.NameForKey(h.key))
		}
	}
}

func TestFaultsSayWhatTheyAreAbout(t *testing.T) {
	resp := kmsg.NewPtrProduceResponse()
	for _, name := range []string{"orders", "clicks"} {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = name
		for p := range int32(3) {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p, kerr.MessageTooLarge.Code
			partition.ErrorMessage = new("the batch has 7 bytes")
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	got := faultsOf(resp)
	want := fault{code: kerr.MessageTooLarge.Code, count: 6, about: "topic orders, partition 0", reason: "the batch has 7 bytes"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("%+v", got)
	}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group = "shop"
	if about := subjectOf(join); about != "group shop" {
		t.Errorf("a JoinGroup is about %q", about)
	}
}

func BenchmarkFaultsOfProduce(b *testing.B) {
	resp := kmsg.NewPtrProduceResponse()
	resp.Topics = []kmsg.ProduceResponseTopic{{Topic: "orders", Partitions: make([]kmsg.ProduceResponseTopicPartition, 1)}}
	b.ReportAllocs()
	for b.Loop() {
		faultsOf(resp)
	}
}

func BenchmarkFaultsOfMetadata(b *testing.B) {
	resp := kmsg.NewPtrMetadataResponse()
	resp.Topics = []kmsg.MetadataResponseTopic{{Partitions: make([]kmsg.MetadataResponseTopicPartition, 1000)}}
	b.ReportAllocs()
	for b.Loop() {
		faultsOf(resp)
	}
}
