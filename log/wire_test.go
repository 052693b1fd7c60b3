package log

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is a client that sends exactly what it is told to, on one connection.
type wire struct {
	t testing.TB
	net.Conn
	correlation int32
}

func dial(t testing.TB, addr string) *wire {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second)) // a node that hangs must not hang the test
	return &wire{t: t, Conn: nc}
}

// send sends a request in a version and does not wait.
func (w *wire) send(version int16, req kmsg.Request) {
	w.t.Helper()
	w.correlation++
	req.SetVersion(version)
	b := kmsg.NewRequestFormatter(kmsg.FormatterClientID("wire")).AppendRequest(nil, req, w.correlation)
	if _, err := w.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

// receive reads the next response and decodes it as the answer to req.
func (w *wire) receive(req kmsg.Request) (kmsg.Response, error) {
	var head [8]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		return nil, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(w, rest); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	if resp.IsFlexible() && resp.Key() != 18 {
		if rest[0] != 0 {
			return nil, errors.New("a flexible response's header has tags")
		}
		rest = rest[1:]
	}
	return resp, resp.ReadFrom(rest)
}

// ask sends a request in a version and returns the answer.
func ask[R kmsg.Response](w *wire, version int16, req kmsg.Request) R {
	w.t.Helper()
	w.send(version, req)
	resp, err := w.receive(req)
	if err != nil {
		w.t.Fatalf("%s v%d: %v", kmsg.NameForKey(req.Key()), version, err)
	}
	return resp.(R)
}

// closed fails if the node sends something or keeps the connection open.
func (w *wire) closed() {
	w.t.Helper()
	n, err := w.Read(make([]byte, 1))
	var timeout net.Error
	if n != 0 || errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Fatalf("the connection is open: read %d bytes, %v", n, err)
	}
}

// topicID asks for a topic's id.
func topicID(w *wire, topic string) [16]byte {
	w.t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	resp := ask[*kmsg.MetadataResponse](w, 12, req)
	if resp.Topics[0].ErrorCode != 0 {
		w.t.Fatalf("topic %s: error %d", topic, resp.Topics[0].ErrorCode)
	}
	return resp.Topics[0].TopicID
}

// produceRequest puts one batch into one partition.
func produceRequest(topic string, id [16]byte, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = topic, id
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func produced(resp *kmsg.ProduceResponse) kmsg.ProduceResponseTopicPartition {
	return resp.Topics[0].Partitions[0]
}

// fetchRequest reads one partition.
func fetchRequest(topic string, id [16]byte, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.MinBytes, req.SessionEpoch = 1<<20, 1, -1
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic, ft.TopicID = topic, id
	fp := kmsg.NewFetchRequestTopicPartition()
	fp.FetchOffset, fp.PartitionMaxBytes = offset, 1<<20
	fp.CurrentLeaderEpoch, fp.LastFetchedEpoch = -1, -1
	ft.Partitions = append(ft.Partitions, fp)
	req.Topics = append(req.Topics, ft)
	return req
}

func fetched(resp *kmsg.FetchResponse) kmsg.FetchResponseTopicPartition {
	return resp.Topics[0].Partitions[0]
}
