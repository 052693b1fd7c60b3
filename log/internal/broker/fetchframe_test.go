package broker

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestFetchFrames: for every version, the pieces are together what kmsg would have
// encoded, and the response is as it was.
func TestFetchFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var kept []byte
	spliced := 0
	for version := int16(4); version <= 18; version++ {
		for range 200 {
			resp := randomFetch(rng, version)
			want := appendResponse(nil, 77, resp)
			frame, buf := encode(kept, 77, resp)
			kept = buf
			if len(frame) > 1 {
				spliced++
			}
			if got := bytes.Join(frame, nil); !bytes.Equal(got, want) {
				t.Fatalf("version %d: %d pieces of %d bytes differ from a frame of %d", version, len(frame), len(got), len(want))
			}
			if again := appendResponse(nil, 77, resp); !bytes.Equal(again, want) {
				t.Fatalf("version %d: the response has changed", version)
			}
		}
	}
	if spliced < 1000 {
		t.Errorf("only %d of 3000 frames were in pieces", spliced)
	}
}

func randomFetch(rng *rand.Rand, version int16) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = version
	resp.ThrottleMillis, resp.ErrorCode, resp.SessionID = rng.Int32N(3), int16(rng.IntN(3)), rng.Int32()
	if version >= 16 {
		for i := range rng.IntN(3) {
			b := kmsg.NewFetchResponseBroker()
			b.NodeID, b.Host, b.Port = int32(i), "localhost"[:rng.IntN(10)], rng.Int32()
			resp.Brokers = append(resp.Brokers, b)
		}
	}
	for range rng.IntN(3) {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic = "orders"
		topic.TopicID = [16]byte{1, byte(rng.IntN(200))}
		for i := range rng.IntN(4) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.ErrorCode, p.HighWatermark = int32(i), int16(rng.IntN(3)), rng.Int64N(1000)
			p.LastStableOffset, p.LogStartOffset, p.PreferredReadReplica = rng.Int64(), rng.Int64(), rng.Int32()
			if rng.IntN(4) == 0 {
				p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = rng.Int32N(3)-1, rng.Int64N(3)-1
				p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = rng.Int32N(3)-1, rng.Int32N(3)-1
			}
			if rng.IntN(2) == 0 {
				p.AbortedTransactions = append(p.AbortedTransactions, kmsg.NewFetchResponseTopicPartitionAbortedTransaction())
			}
			switch rng.IntN(5) {
			case 0:
				p.RecordBatches = []byte{}
			case 1:
				p.RecordBatches = nil
			case 2:
				p.RecordBatches = bytes.Repeat([]byte{byte(i)}, rng.IntN(300))
			default:
				p.RecordBatches = bytes.Repeat([]byte{byte(i)}, rng.IntN(40_000))
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// TestGather: what TLS is given is the frame, in pieces of a record's size, whatever
// its own pieces were.
func TestGather(t *testing.T) {
	var f net.Buffers
	var want []byte
	for _, n := range []int{1, 0, 7, gatherBytes, 3, 5*gatherBytes + 1, 1, 1} {
		piece := bytes.Repeat([]byte{byte(n)}, n)
		f, want = append(f, piece), append(want, piece...)
	}
	w := &pieces{}
	sent, err := gather(w, f)
	if err != nil || sent != int64(len(want)) || !bytes.Equal(w.all, want) {
		t.Fatalf("%d of %d bytes, %v", len(w.all), len(want), err)
	}
	if w.small > 1 {
		t.Errorf("%d writes are smaller than a record", w.small)
	}
}

// pieces is a writer that counts.
type pieces struct {
	all   []byte
	small int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.all = append(p.all, b...)
	if len(b) < gatherBytes {
		p.small++
	}
	return len(b), nil
}
