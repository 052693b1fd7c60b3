package txn

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
)

// TestErrorsPerVersion: kafkajs failed with "Unknown error code 90" on a broker that
// sent PRODUCER_FENCED to a client from before that code. Which code a client knows
// is a matter of the request's version.
func TestErrorsPerVersion(t *testing.T) {
	fenced, old := kerr.ProducerFenced.Code, kerr.InvalidProducerEpoch.Code
	for _, test := range []struct {
		name    string
		request func(version int16) kmsg.Request
		last    int16 // last version that does not know PRODUCER_FENCED
		highest int16
	}{
		{"InitProducerId", func(v int16) kmsg.Request {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.Version, req.TransactionalID, req.TransactionTimeoutMillis = v, kmsg.StringPtr("x"), 1000
			req.ProducerID, req.ProducerEpoch = 5, 0
			return req
		}, 3, 5},
		{"EndTxn", func(v int16) kmsg.Request {
			req := kmsg.NewPtrEndTxnRequest()
			req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch = v, "x", 7, 9
			return req
		}, 1, 5},
	} {
		for v := int16(0); v <= test.highest; v++ {
			want := fenced
			if v <= test.last {
				want = old
			}
			if got := errorCode(askCore(t, test.request(v))); got != want {
				t.Errorf("%s v%d: code %d, want %d", test.name, v, got, want)
			}
		}
	}
}

// askCore asks a core that knows the transactional id x, with producer 7 at epoch 3.
func askCore(t *testing.T, req kmsg.Request) kmsg.Response {
	t.Helper()
	var resp kmsg.Response
	b := &coordtest.Bench{
		New:     func() coord.Replayable { return NewCore(Config{}, 1, start) },
		OnReply: func(_ uint64, r any, _ error) { resp = r.(kmsg.Response) },
	}
	b.Start()
	b.Plant(coord.KV{Key: recordKey("x"), Value: recordValue(&transaction{id: "x", pid: 7, prevPid: none, nextPid: none, epoch: 3, lastEpoch: none})})
	b.Start()
	b.Input(coord.Request{ID: 1, Body: req})
	if resp == nil || resp.GetVersion() != req.GetVersion() {
		t.Fatalf("answer to %T v%d: %v", req, req.GetVersion(), resp)
	}
	return resp
}

func errorCode(resp kmsg.Response) int16 {
	switch resp := resp.(type) {
	case *kmsg.InitProducerIDResponse:
		return resp.ErrorCode
	case *kmsg.EndTxnResponse:
		return resp.ErrorCode
	case *kmsg.AddOffsetsToTxnResponse:
		return resp.ErrorCode
	}
	return -1
}
