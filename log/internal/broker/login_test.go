package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/sasl"
)

// doors serves a broker on one more listener, with PLAIN and users anna and bob, whose
// passwords are their names.
func doors(t *testing.T, b *Broker, how *Listener) string {
	t.Helper()
	for _, user := range []string{"anna", "bob"} {
		c, err := sasl.NewCredential(sasl.ScramSHA256, user, sasl.MinIterations)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.opts.Meta.Propose(t.Context(), &meta.ScramCredential{User: user, Mechanism: sasl.ScramSHA256, Credential: c}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.Serve(l, how) }()
	t.Cleanup(func() {
		_ = l.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

var plainOnly = &Listener{Name: "SASL", Mechanisms: []sasl.Mechanism{sasl.Plain}}

// logIn authenticates by PLAIN and returns the error code.
func logIn(w *wire, user, password string) int16 {
	w.t.Helper()
	handshake, token := kmsg.NewPtrSASLHandshakeRequest(), kmsg.NewPtrSASLAuthenticateRequest()
	handshake.Version, handshake.Mechanism = 1, "PLAIN"
	if resp := ask[*kmsg.SASLHandshakeResponse](w, handshake); resp.ErrorCode != 0 {
		return resp.ErrorCode
	}
	token.Version, token.SASLAuthBytes = 2, []byte("\x00"+user+"\x00"+password)
	return ask[*kmsg.SASLAuthenticateResponse](w, token).ErrorCode
}

// TestStrangersShareALittle: connections that announce 64 KiB each and send nothing
// more hold a budget of their own. Whoever is inside goes on as if they were not there,
// also with a request that needs all of the others' memory.
func TestStrangersShareALittle(t *testing.T) {
	b, _ := testBroker(t, Limits{ArrivalBytes: 256 << 10, RequestBytes: 1 << 20, ProduceBytes: 1 << 20})
	addr := doors(t, b, plainOnly)
	inside := dial(t, addr)
	if code := logIn(inside, "anna", "anna"); code != 0 {
		t.Fatalf("error %d", code)
	}
	for range 50 {
		w := dial(t, addr)
		head := binary.BigEndian.AppendUint32(nil, maxUnauthenticated)
		w.send(append(head, 0, 36, 0, 2, 0, 0, 0, 7))
	}
	for b.arrivalMemory.budget("").Waiting == 0 { // until all of it is taken
		if t.Context().Err() != nil {
			t.Fatal("the budget is never used up")
		}
	}
	if used := b.requestMemory.budget("").Used; used != 0 {
		t.Errorf("strangers hold %d bytes of requests' memory", used)
	}
	if used := b.arrivalMemory.budget("").Used; used > 256<<10 {
		t.Errorf("strangers hold %d bytes", used)
	}
	ask[*kmsg.MetadataResponse](inside, kmsg.NewPtrMetadataRequest())
}

// TestStrangersAreOnTime: the time to come in is one, however it is cut: a client that
// sends a byte now and then, or asks for versions again and again, is not kept.
func TestStrangersAreOnTime(t *testing.T) {
	b, _ := testBroker(t, Limits{Arrival: 100 * time.Millisecond})
	addr := doors(t, b, plainOnly)
	asking, dripping := dial(t, addr), dial(t, addr)
	frame := frameOf(kmsg.NewPtrApiVersionsRequest(), 1)
	for i := 0; ; i++ {
		if _, err := dripping.Write(frame[i%len(frame) : i%len(frame)+1]); err != nil {
			break
		}
	}
	for {
		if _, err := asking.Write(frame); err != nil {
			break
		}
	}
}

// TestLoginKeepsItsTime with the clock of the test.
func TestLoginKeepsItsTime(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	how := *plainOnly
	how.Session = time.Minute
	doors(t, b, &how)
	l := b.newLogin(&how)
	now := time.Now()
	step := func(user string) error {
		t.Helper()
		_, done, err := l.step(t.Context(), []byte("\x00"+user+"\x00"+user), now)
		if err == nil && !done {
			t.Fatal("PLAIN has one token")
		}
		return err
	}
	if err := l.check(keyProduce, now); !errors.Is(err, errRenewing) {
		t.Errorf("a stranger produces: %v", err)
	}
	if err := l.handshake(1, "PLAIN", "", now); err != nil {
		t.Fatal(err)
	}
	if err := l.handshake(1, "PLAIN", "", now); err != kerr.IllegalSaslState {
		t.Errorf("two handshakes: %v", err)
	}
	if err := step("anna"); err != nil || l.principal() != "User:anna" {
		t.Fatal(err)
	}
	if err := l.check(keyProduce, now.Add(time.Minute)); err != nil {
		t.Errorf("inside: %v", err)
	}
	if err := l.check(keyProduce, now.Add(time.Minute+1)); !errors.Is(err, errSessionOver) {
		t.Errorf("behind the session: %v", err)
	}
	if err := l.check(keySaslHandshake, now.Add(time.Hour)); err != nil {
		t.Errorf("renewing late: %v", err)
	}
	if err := l.handshake(1, "PLAIN", "", now.Add(shortestSession-1)); err != kerr.IllegalSaslState {
		t.Errorf("renewing at once: %v", err)
	}
	now = now.Add(50 * time.Second)
	if err := l.handshake(0, "PLAIN", "", now); err != kerr.IllegalSaslState {
		t.Errorf("renewing with raw tokens: %v", err)
	}
	if err := l.handshake(1, "PLAIN", "", now); err != nil {
		t.Fatal(err)
	}
	if err := l.check(keyProduce, now); !errors.Is(err, errRenewing) {
		t.Errorf("in the middle: %v", err)
	}
	if err := step("anna"); err != nil {
		t.Fatal(err)
	}
	if err := l.check(keyProduce, now.Add(time.Minute)); err != nil {
		t.Errorf("renewed: %v", err)
	}

	// Nobody becomes somebody else.
	now = now.Add(30 * time.Second)
	if err := l.handshake(1, "PLAIN", "", now); err != nil {
		t.Fatal(err)
	}
	if err := step("bob"); !errors.Is(err, sasl.ErrRefused) || l.user != "anna" {
		t.Errorf("anna becomes %q: %v", l.user, err)
	}
}

// TestDeletedUsersAreNotServed: the user of an open connection is looked up again when
// the metadata has changed, and only then.
func TestDeletedUsersAreNotServed(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	w := dial(t, doors(t, b, plainOnly))
	if code := logIn(w, "bob", "bob"); code != 0 {
		t.Fatalf("error %d", code)
	}
	ask[*kmsg.MetadataResponse](w, kmsg.NewPtrMetadataRequest())
	err := b.opts.Meta.Propose(t.Context(), &meta.ScramCredential{User: "bob", Mechanism: sasl.ScramSHA256, Remove: true})
	if err != nil {
		t.Fatal(err)
	}
	w.send(frameOf(kmsg.NewPtrMetadataRequest(), 1))
	w.closed()
}

// TestDeletedUsersAreCutOff: whoever had deleted a user believed him gone. But his
// consumer that waited for records was sent those that came within its wait, and his
// connections that asked nothing stayed for ten minutes.
func TestDeletedUsersAreCutOff(t *testing.T) {
	waiting, ended := make(chan struct{}), make(chan struct{})
	b, _ := testBroker(t, Limits{}, standIn{12, func(ctx context.Context, _ *call, _ kmsg.Request) (answer, error) {
		close(waiting)
		<-ctx.Done()
		close(ended)
		return answer{}, ctx.Err()
	}})
	addr := doors(t, b, plainOnly)
	asks, silent, anna := dial(t, addr), dial(t, addr), dial(t, addr)
	for w, user := range map[*wire]string{asks: "bob", silent: "bob", anna: "anna"} {
		if code := logIn(w, user, user); code != 0 {
			t.Fatalf("%s: error %d", user, code)
		}
	}
	asks.send(frameOf(heartbeatRequest(), 1))
	<-waiting
	err := b.opts.Meta.Propose(t.Context(), &meta.ScramCredential{User: "bob", Mechanism: sasl.ScramSHA256, Remove: true})
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	asks.closed()
	silent.closed()
	ask[*kmsg.MetadataResponse](anna, kmsg.NewPtrMetadataRequest())
}

// TestFailuresTakeTime: guessing is slowed down, and a node that closes does not wait
// for it.
func TestFailuresTakeTime(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	doors(t, b, plainOnly)
	synctest.Test(t, func(t *testing.T) {
		l := b.newLogin(plainOnly)
		l.exchange = b.sasl.Begin(sasl.Plain)
		began := time.Now()
		text := l.failed(t.Context(), &Caller{}, sasl.ErrRefused)
		if took := time.Since(began); took != failureDelay || text == "" {
			t.Errorf("%v, %q", took, text)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began = time.Now()
		if l.failed(ctx, &Caller{}, sasl.ErrRefused); time.Since(began) != 0 {
			t.Errorf("a closing node waits %v", time.Since(began))
		}
	})
}

// FuzzStranger sends any bytes before authentication: nothing is handled but the three
// keys, and the connection ends.
func FuzzStranger(f *testing.F) {
	f.Add([]byte{0, 0, 0, 20})
	f.Add(frameOf(kmsg.NewPtrApiVersionsRequest(), 1))
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Mechanism = "PLAIN"
	f.Add(append(frameOf(handshake, 1), 0, 0, 0, 3, 0, 'a', 0))
	f.Add(append(frameOf(handshake, 1), frameOf(kmsg.NewPtrMetadataRequest(), 2)...))
	var limits Limits
	limits.setDefaults()
	f.Fuzz(func(t *testing.T, b []byte) {
		p := prefix{}
		if len(b) >= prefixBytes {
			p = prefix{size: int(int32(binary.BigEndian.Uint32(b))), key: int16(binary.BigEndian.Uint16(b[4:])), version: int16(binary.BigEndian.Uint16(b[6:]))}
		}
		if p.check(1, &limits, true) == nil && (!early(p.key) || p.size > maxUnauthenticated) {
			t.Fatalf("%+v is read", p)
		}
	})
}
