package log

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// largest are the requests that make a node work hardest: as many of the smallest
// elements as it takes in one request, or some times as many, which it refuses. All
// are well-formed and within a mebibyte.
func largest(times int) map[string]kmsg.Request {
	all := map[string]kmsg.Request{}

	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version, metadata.AllowAutoTopicCreation = 9, true
	for i := range 38_000 * times {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = new(fmt.Sprintf("%x", i))
		metadata.Topics = append(metadata.Topics, rt)
	}
	all["Metadata"] = metadata

	bad := *metadata
	bad.Topics = nil
	for i := range 38_000 * times {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = new(fmt.Sprintf("/%x", i))
		bad.Topics = append(bad.Topics, rt)
	}
	all["Metadata of bad names"] = &bad

	fetch := fetchRequest("t", [16]byte{}, 0)
	fetch.Version, fetch.MaxWaitMillis = 12, 100
	for range 25_000 * times {
		fetch.Topics[0].Partitions = append(fetch.Topics[0].Partitions, fetch.Topics[0].Partitions[0])
	}
	all["Fetch"] = fetch

	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version, create.TimeoutMillis = 5, 10_000
	for i := range 5_000 * times {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = fmt.Sprintf("%x", i), 1, 1
		create.Topics = append(create.Topics, rt)
	}
	all["CreateTopics"] = create

	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Version, commit.Group, commit.Generation = 8, "g", -1
	ct := kmsg.NewOffsetCommitRequestTopic()
	ct.Topic = "t"
	for i := range int32(38_000 * times) {
		cp := kmsg.NewOffsetCommitRequestTopicPartition()
		cp.Partition = i
		ct.Partitions = append(ct.Partitions, cp)
	}
	commit.Topics = append(commit.Topics, ct)
	all["OffsetCommit"] = commit

	describe := kmsg.NewPtrDescribeConfigsRequest()
	describe.Version, describe.IncludeSynonyms, describe.IncludeDocumentation = 4, true, true
	for range 2_900 * times {
		rr := kmsg.NewDescribeConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
		describe.Resources = append(describe.Resources, rr)
	}
	all["DescribeConfigs"] = describe

	groups := kmsg.NewPtrDescribeGroupsRequest()
	groups.Version = 5
	for i := range 40_000 * times {
		groups.Groups = append(groups.Groups, fmt.Sprintf("%x", i))
	}
	all["DescribeGroups"] = groups

	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version = 4
	find.CoordinatorKeys = groups.Groups
	all["FindCoordinator"] = find

	offsets := kmsg.NewPtrOffsetFetchRequest()
	offsets.Version = 8
	for i := range 38_000 * times {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = fmt.Sprintf("%x", i)
		offsets.Groups = append(offsets.Groups, g)
	}
	all["OffsetFetch"] = offsets
	return all
}

// A request within its limit may still ask for more than it is worth: what the
// answer takes is bounded too.
func TestTheLargestRequestsStayWithinMemory(t *testing.T) {
	for times, accepted := range map[int]bool{1: true, 2: false} {
		for name, req := range largest(times) {
			if _, ok := req.(*kmsg.FetchRequest); ok {
				continue // a frame of a mebibyte holds fewer than are refused
			}
			largeRequest(t, fmt.Sprintf("%s/%d", name, times), req, accepted)
		}
	}
	largeRequest(t, "Fetch/1", largest(1)["Fetch"], true)
}

// largeRequest sends a request four times at once.
func largeRequest(t *testing.T, name string, req kmsg.Request, accepted bool) {
	t.Run(name, func(t *testing.T) {
		_, addr := newNode(t, func(o *Options) { o.Logger = discard() })
		createTopic(t, addr, "t", 1, nil)
		debug.FreeOSMemory()
		peak.Store(0)
		frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("large")).AppendRequest(nil, req, 1)
		var wg sync.WaitGroup
		var answered atomic.Int32
		for range 4 {
			wg.Go(func() {
				w := dial(t, addr)
				defer w.Close()
				if _, err := w.Write(frame); err != nil {
					return
				}
				if _, err := w.receive(req); err == nil {
					answered.Add(1)
				}
			})
		}
		done := make(chan struct{})
		go func() {
			wg.Wait()
			close(done)
		}()
		for sampling := true; sampling; {
			select {
			case <-done:
				sampling = false
			case <-time.After(time.Millisecond):
				notePeak()
			}
		}
		t.Logf("%d bytes, at most %d MiB", len(frame), peak.Load()>>20)
		if peak.Load() > maxMemory {
			t.Error("beyond the limit")
		}
		if got := answered.Load() == 4; got != accepted {
			t.Errorf("%d of 4 were answered", answered.Load())
		}
		checkAlive(t, addr)
	})
}
