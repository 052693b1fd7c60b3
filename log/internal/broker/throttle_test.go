package broker

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/quota"
)

// setQuota sets a quota of every client.
func setQuota(t testing.TB, b *Broker, key quota.Key, value float64) {
	t.Helper()
	e := quota.Entity{ClientID: quota.Default}
	if key == quota.ConnectionCreationRate {
		e = quota.Entity{IP: quota.Default}
	}
	errs, err := b.opts.Meta.AlterClientQuotas(t.Context(), meta.AlterClientQuotas{
		Entities: []meta.QuotaChanges{{Entity: e, Changes: []meta.QuotaChange{{Key: key, Value: value}}}},
	})
	if err != nil || errs[0] != nil {
		t.Fatal(err, errs)
	}
}

// producing answers a Produce as if so many bytes had been appended, and notes when.
func producing(bytes int64, at *[]time.Time) standIn {
	return standIn{keyProduce, func(_ context.Context, c *call, req kmsg.Request) (answer, error) {
		*at = append(*at, time.Now())
		c.produced += bytes
		if req.(*kmsg.ProduceRequest).Acks == 0 {
			return answer{}, nil
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		resp.Topics = []kmsg.ProduceResponseTopic{}
		return answer{later: func(context.Context) kmsg.Response { return resp }}, nil
	}}
}

func produceAcks(acks int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = 9, acks
	return req
}

// again is a broker like b whose clock is that of the bubble it is made in.
func again(b *Broker) *Broker {
	inside := New(b.opts)
	inside.handlers = b.handlers
	return inside
}

// serveOne serves a connection of which the test has the other end. served is closed when
// the broker is done with it.
func serveOne(b *Broker) (client net.Conn, served chan struct{}) {
	client, server := net.Pipe()
	served = make(chan struct{})
	go func() {
		defer close(served)
		b.newConn(server, &Listener{Name: "TEST"}).serve()
	}()
	return client, served
}

// TestThrottledConnectionsAreMuted has a client that ignores what it is told: the
// answer comes at once with the time to wait, and the next request, which was sent
// already, is handled when the time is over. Without acknowledgements it is the same.
func TestThrottledConnectionsAreMuted(t *testing.T) {
	var at []time.Time
	outside, _ := testBroker(t, Limits{}, producing(12_000, &at))
	setQuota(t, outside, quota.ProducerByteRate, 1000) // 10 000 at once, then 1 000 a second
	for _, acks := range []int16{1, 0} {
		at = nil
		synctest.Test(t, func(t *testing.T) {
			b := again(outside)
			client, served := serveOne(b)
			w := &wire{t, client}
			began := time.Now()
			go func() {
				for range 3 {
					_, _ = w.Write(frameOf(produceAcks(acks), 7))
				}
			}()
			// The first request owes 2 s, each later one the 12 s that it is worth.
			for i, want := range []struct{ comes, wait time.Duration }{{0, 2}, {2, 12}, {14, 12}} {
				if acks == 0 {
					break
				}
				_, rest := w.receive()
				resp := produceAcks(acks).ResponseKind().(*kmsg.ProduceResponse)
				if err := resp.ReadFrom(rest[1:]); err != nil {
					t.Fatal(err)
				}
				came, wait := time.Since(began), time.Duration(resp.ThrottleMillis)*time.Millisecond
				if came != want.comes*time.Second || wait != want.wait*time.Second {
					t.Errorf("answer %d came after %v and says to wait %v", i, came, wait)
				}
			}
			time.Sleep(time.Minute)
			_ = client.Close()
			b.Drain(t.Context())
			<-served
			for i, want := range []time.Duration{0, 2 * time.Second, 14 * time.Second} {
				if got := at[i].Sub(began); got != want {
					t.Errorf("acks=%d: request %d was handled after %v, want %v", acks, i, got, want)
				}
			}
		})
	}
}

// TestThrottledClientsHoldLittle pipelines many requests behind one that was throttled:
// they are not read ahead, or their frames would hold the memory that all share for as
// long as the client has to wait.
func TestThrottledClientsHoldLittle(t *testing.T) {
	var handled atomic.Int32
	outside, _ := testBroker(t, Limits{}, standIn{keyProduce, func(_ context.Context, c *call, req kmsg.Request) (answer, error) {
		handled.Add(1)
		c.produced += 12_000
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		resp.Topics = []kmsg.ProduceResponseTopic{}
		return answer{now: resp}, nil
	}})
	setQuota(t, outside, quota.ProducerByteRate, 1000)
	synctest.Test(t, func(t *testing.T) {
		b := again(outside)
		client, served := serveOne(b)
		w := &wire{t, client}
		go func() { _, _ = io.Copy(io.Discard, w) }()
		w.send(frameOf(produceAcks(1), 0))
		synctest.Wait() // it is throttled
		var sent atomic.Int32
		go func() {
			for range 30 {
				if _, err := w.Write(frameOf(produceAcks(1), 1)); err != nil {
					return
				}
				sent.Add(1)
			}
		}()
		for range 5 {
			time.Sleep(12 * time.Second)
			synctest.Wait()
			if done := handled.Load(); sent.Load()+1-done > 3 {
				t.Errorf("%d requests were handled and %d more read", done, sent.Load()+1-done)
			}
		}
		if handled.Load() < 5 {
			t.Errorf("%d requests were handled in a minute", handled.Load())
		}
		_ = client.Close()
		b.Drain(t.Context())
		<-served
	})
}

// TestMuteConnectionsHoldNothing: a client sent its next request, as large as may be,
// before the first was answered. Then that was throttled, and the second waited for half
// a minute in memory that nearly all others' requests had to share with it.
func TestMuteConnectionsHoldNothing(t *testing.T) {
	first := make(chan struct{})
	outside, _ := testBroker(t, Limits{}, standIn{keyProduce, func(_ context.Context, c *call, req kmsg.Request) (answer, error) {
		<-first
		c.produced += 1 << 30
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		resp.Topics = []kmsg.ProduceResponseTopic{}
		return answer{now: resp}, nil
	}})
	setQuota(t, outside, quota.ProducerByteRate, 1000)
	synctest.Test(t, func(t *testing.T) {
		first = make(chan struct{})
		b := again(outside)
		client, served := serveOne(b)
		go func() { _, _ = io.Copy(io.Discard, client) }()
		large := produceRequest()
		rt, rp := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
		rp.Records = make([]byte, 90<<20)
		rt.Partitions = append(rt.Partitions, rp)
		large.Topics = append(large.Topics, rt)
		go func() {
			_, _ = client.Write(frameOf(produceAcks(1), 0))
			_, _ = client.Write(frameOf(large, 1))
		}()
		synctest.Wait()
		close(first)
		synctest.Wait()
		if used := b.requestMemory.budget("").Used; used != 0 {
			t.Errorf("a mute connection holds %d bytes", used)
		}
		_ = client.Close()
		b.Drain(t.Context())
		<-served
	})
}

// TestMuteConnectionsNoticeTheEnd: the place of a throttled client that leaves is free at
// once, not when its wait is over.
func TestMuteConnectionsNoticeTheEnd(t *testing.T) {
	var at []time.Time
	outside, _ := testBroker(t, Limits{}, producing(1<<30, &at))
	setQuota(t, outside, quota.ProducerByteRate, 1000)
	synctest.Test(t, func(t *testing.T) {
		b := again(outside)
		client, served := serveOne(b)
		w := &wire{t, client}
		w.send(frameOf(produceAcks(1), 1))
		w.receive()
		left := time.Now()
		_ = client.Close()
		<-served
		if took := time.Since(left); took != 0 {
			t.Errorf("that the client has gone was noticed %v later", took)
		}
	})
}

// TestMuteConnectionsAreNotIdle: a client that kept to a wait as long as it was told to
// was closed for its silence, where silent connections are kept for a shorter time.
func TestMuteConnectionsAreNotIdle(t *testing.T) {
	var at []time.Time
	outside, _ := testBroker(t, Limits{Idle: 10 * time.Second}, producing(1<<30, &at))
	setQuota(t, outside, quota.ProducerByteRate, 1000)
	synctest.Test(t, func(t *testing.T) {
		b := again(outside)
		client, served := serveOne(b)
		w := &wire{t, client}
		w.send(frameOf(produceAcks(1), 1))
		w.receive()
		time.Sleep(quota.MaxThrottle)
		w.send(frameOf(produceAcks(1), 1))
		w.receive()
		_ = client.Close()
		<-served
	})
}

// TestThrottledSessionsWait calls in the process: the call returns when the time is
// over, and tells nobody to wait once more.
func TestThrottledSessionsWait(t *testing.T) {
	var at []time.Time
	outside, _ := testBroker(t, Limits{}, producing(15_000, &at))
	setQuota(t, outside, quota.ProducerByteRate, 1000)
	synctest.Test(t, func(t *testing.T) {
		b := again(outside)
		began := time.Now()
		resp, err := b.Do(t.Context(), &Caller{Principal: anonymous}, produceAcks(1))
		if err != nil {
			t.Fatal(err)
		}
		if wait, ms := time.Since(began), resp.(*kmsg.ProduceResponse).ThrottleMillis; wait != 5*time.Second || ms != 0 {
			t.Errorf("it took %v and says to wait %d ms", wait, ms)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err := b.Do(ctx, &Caller{Principal: anonymous}, produceAcks(1)); err != nil || time.Since(began) != time.Second {
			t.Errorf("a call that has a second took %v: %v", time.Since(began), err)
		}
		b.Drain(t.Context())
	})
}

// TestRequestTimeIsCharged has a handler work for two seconds and wait for others for
// ten: of 10 % of a processor the work is twenty seconds' worth, ten more than may be
// used at once, and the wait is none. One throttle time is a second at most.
func TestRequestTimeIsCharged(t *testing.T) {
	work := time.Duration(0)
	outside, _ := testBroker(t, Limits{}, standIn{keyProduce, func(_ context.Context, c *call, req kmsg.Request) (answer, error) {
		c.waits(func() { time.Sleep(10 * time.Second) })
		time.Sleep(work)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		resp.Topics = []kmsg.ProduceResponseTopic{}
		return answer{now: resp}, nil
	}})
	setQuota(t, outside, quota.RequestPercentage, 10)
	synctest.Test(t, func(t *testing.T) {
		b := again(outside)
		for _, c := range []struct{ work, throttled time.Duration }{{0, 0}, {2 * time.Second, time.Second}} {
			work = c.work
			began := time.Now()
			if _, err := b.Do(t.Context(), &Caller{Principal: anonymous}, produceAcks(1)); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began) - 10*time.Second - c.work; got != c.throttled {
				t.Errorf("after %v of work the caller waits %v, want %v", c.work, got, c.throttled)
			}
		}
		b.Drain(t.Context())
	})
}

// TestConnectionsPerAddress opens one connection more than an address may have.
func TestConnectionsPerAddress(t *testing.T) {
	b, addr := testBroker(t, Limits{ConnectionsPerAddress: 2})
	first, second := dial(t, addr), dial(t, addr)
	ask[*kmsg.ApiVersionsResponse](first, kmsg.NewPtrApiVersionsRequest())
	ask[*kmsg.ApiVersionsResponse](second, kmsg.NewPtrApiVersionsRequest())
	dial(t, addr).closed()
	_ = first.Close()
	for { // until the broker has noticed
		w := dial(t, addr)
		w.Write(frameOf(kmsg.NewPtrApiVersionsRequest(), 1))
		if _, err := io.ReadFull(w, make([]byte, 8)); err == nil {
			break
		}
	}
	if l := b.Stats().Listeners[0]; l.TooManyOfAddress == 0 || l.Accepted < 3 {
		t.Errorf("%+v", l)
	}
}

func TestPerAddress(t *testing.T) {
	own := map[string]int{"10.0.0.1": 7, "10.0.0.2": 0}
	for _, c := range []struct {
		limits Limits
		host   string
		want   int
	}{
		{Limits{Connections: 100}, "10.0.0.9", 25}, {Limits{Connections: 100}, "127.0.0.1", 0}, {Limits{Connections: 100}, "::1", 0},
		{Limits{Connections: 100, ConnectionsPerAddress: 3}, "127.0.0.1", 3},
		{Limits{Connections: 100, ConnectionsOfAddress: own}, "10.0.0.1", 7}, {Limits{Connections: 100, ConnectionsOfAddress: own}, "10.0.0.2", 0},
		{Limits{Connections: 2}, "pipe", 1},
	} {
		if got := c.limits.perAddress(c.host); got != c.want {
			t.Errorf("%s of %+v: %d, want %d", c.host, c.limits, got, c.want)
		}
	}
}

// TestConnectionRate uses up what an address may connect in a while: the next
// connection is not served, and closed.
func TestConnectionRate(t *testing.T) {
	b, addr := testBroker(t, Limits{})
	setQuota(t, b, quota.ConnectionCreationRate, 0)
	w := dial(t, addr)
	w.send(frameOf(kmsg.NewPtrApiVersionsRequest(), 1))
	w.closed()
	if l := b.Stats().Listeners[0]; l.TooOften != 1 || l.Accepted != 0 {
		t.Errorf("%+v", l)
	}
}

// What a request costs besides its handler: with no quota at all, and with one that it
// is within.
func BenchmarkDo(b *testing.B) {
	for name, rate := range map[string]float64{"without": 0, "with": 1e15} {
		b.Run(name, func(b *testing.B) {
			broker, _ := testBroker(b, Limits{}, standIn{keyProduce, func(_ context.Context, c *call, req kmsg.Request) (answer, error) {
				c.produced += 1000
				resp := req.ResponseKind().(*kmsg.ProduceResponse)
				resp.Topics = []kmsg.ProduceResponseTopic{}
				return answer{now: resp}, nil
			}})
			if rate > 0 {
				setQuota(b, broker, quota.ProducerByteRate, rate)
			}
			broker.opts.Strict = false // its checks cost more than all the rest
			caller := &Caller{Principal: anonymous, ClientID: "bench"}
			req := produceAcks(1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := broker.Do(b.Context(), caller, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
