package log

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"reflect"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/broker"
	"github.com/millrace/millrace/log/record"
)

// maxMemory is what a node may take whatever is sent to it.
const maxMemory = 400 << 20

// memory is what the runtime holds of the machine's memory.
func memory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// peak is the most that a test has seen.
var peak atomic.Uint64

// mutate is a frame that begins as a request and is then damaged as a fuzzer would:
// lengths and counts made large, bytes flipped, parts cut or repeated.
func mutate(rng *rand.Rand) []byte {
	ranges := broker.Ranges(1)
	r := ranges[rng.IntN(len(ranges))]
	version := r.Min + int16(rng.IntN(int(r.Max-r.Min)+2)) // one above the range too
	req := kmsg.RequestForKey(r.Key)
	req.SetVersion(min(version, req.MaxVersion()))
	grow(rng, reflect.ValueOf(req).Elem(), 3)
	if p, ok := req.(*kmsg.ProduceRequest); ok && rng.IntN(2) == 0 {
		req = produceRequest("t", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"}))
		req.SetVersion(p.Version)
	}
	b := kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz")).AppendRequest(nil, req, rng.Int32())
	for range rng.IntN(4) {
		at := 4 + rng.IntN(len(b)-4)
		switch rng.IntN(5) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			if at+4 <= len(b) {
				binary.BigEndian.PutUint32(b[at:], []uint32{0xffffffff, 0x7fffffff, 0x00ffffff, 1 << 20}[rng.IntN(4)])
			}
		case 2:
			b = append(b[:at:at], append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, b[at:]...)...)
		case 3:
			b = b[:at+1]
		case 4:
			b = append(b, make([]byte, 1<<rng.IntN(20))...)
		}
		if len(b) < 16 {
			break
		}
	}
	size := uint32(len(b) - 4)
	if rng.IntN(20) == 0 {
		size = rng.Uint32() // a length that lies
	}
	binary.BigEndian.PutUint32(b, size)
	return b
}

// grow fills a request with small random content.
func grow(rng *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				grow(rng, v.Field(i), depth)
			}
		}
	case reflect.Slice:
		n := rng.IntN(3)
		if depth == 0 {
			n = 0
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			grow(rng, v.Index(i), depth-1)
		}
	case reflect.Pointer:
		if rng.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			grow(rng, v.Elem(), depth)
		}
	case reflect.String:
		v.SetString([]string{"", "t", "g", "tx", "nowhere"}[rng.IntN(5)])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 2, 100, -2}[rng.IntN(6)])
	case reflect.Uint8:
		v.SetUint(uint64(rng.IntN(256)))
	}
}

// Anyone who reaches the port may send anything. The node answers or closes the
// connection, stays under its limit of memory, and goes on serving.
func TestHostileFrames(t *testing.T) {
	rng := seeded(t)
	_, addr := newNode(t, func(o *Options) { o.Logger = discard() })
	createTopic(t, addr, "t", 1, nil)
	var wg sync.WaitGroup
	for range 4 {
		worker := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		wg.Go(func() {
			for range 400 {
				throw(t, addr, mutate(worker))
			}
		})
	}
	wg.Wait()
	checkAlive(t, addr)
	t.Logf("at most %d MiB", peak.Load()>>20)
}

// throw sends a frame, and that no more will come, on a connection of its own, and
// reads until the node closes it.
func throw(t testing.TB, addr string, b []byte) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Write(b); err == nil {
		_ = nc.(*net.TCPConn).CloseWrite()
		var timeout net.Error
		if _, err = io.Copy(io.Discard, nc); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("a frame of %d bytes is neither answered nor its connection closed: %x", len(b), b[:min(len(b), 100)])
		}
	}
	if m := notePeak(); m > maxMemory {
		t.Errorf("the process has %d MiB after a frame of %d bytes", m>>20, len(b))
	}
}

// notePeak returns the memory that is held now.
func notePeak() uint64 {
	m := memory()
	for p := peak.Load(); m > p && !peak.CompareAndSwap(p, m); p = peak.Load() {
	}
	return m
}

func checkAlive(t testing.TB, addr string) {
	t.Helper()
	w := dial(t, addr)
	defer w.Close()
	// A frame may well have deleted every topic.
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = new("alive")
	req.Topics, req.AllowAutoTopicCreation = append(req.Topics, rt), true
	ask[*kmsg.MetadataResponse](w, 9, req)
	if p := produced(ask[*kmsg.ProduceResponse](w, 9, produceRequest("alive", [16]byte{}, batchOf(record.Plain(), [2]string{"a", "1"})))); p.ErrorCode != 0 {
		t.Fatalf("the node does not work any more: error %d", p.ErrorCode)
	}
}

// Large frames that claim all the memory there is, from many connections at once.
func TestManyLargeFramesStayWithinTheBudget(t *testing.T) {
	_, addr := newNode(t, func(o *Options) { o.Logger = discard() })
	createTopic(t, addr, "t", 1, nil)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			b := make([]byte, 4+1<<20)
			binary.BigEndian.PutUint32(b, 1<<20)
			binary.BigEndian.PutUint16(b[4:], uint16([]int{1, 3, 8, 19}[i%4]))
			binary.BigEndian.PutUint16(b[6:], uint16([]int{12, 9, 8, 5}[i%4]))
			for j := 16; j < len(b); j++ {
				b[j] = []byte{1, 2, 0x7f, 3}[(i/4)%4]
			}
			throw(t, addr, b)
		})
	}
	wg.Wait()
	checkAlive(t, addr)
	t.Logf("at most %d MiB", peak.Load()>>20)
}

// FuzzNode throws frames at a running node.
func FuzzNode(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	_, addr := newNode(f, func(o *Options) { o.Logger = discard() })
	createTopic(f, addr, "t", 1, nil)
	for range 40 {
		f.Add(mutate(rng))
	}
	f.Fuzz(func(t *testing.T, b []byte) { throw(t, addr, b) })
}
