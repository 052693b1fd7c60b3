package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/sasl"
)

// TestStrangersDecodeOnTheirOwn: clients that were not authenticated asked ApiVersions
// with 60 KiB of name each, and did not read the answers. What they decoded to was of
// everybody's memory, so ten such connections made all others wait.
func TestStrangersDecodeOnTheirOwn(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	w := dial(t, doors(t, b, plainOnly))
	all, err := b.decodeMemory.take(t.Context(), b.opts.Limits.DecodeBytes)
	if err != nil {
		t.Fatal(err)
	}
	if code := logIn(w, "anna", "anna"); code != 0 {
		t.Errorf("a client comes in only when others leave it memory: error %d", code)
	}
	all.release()
	all, err = b.arrivalDecodeMemory.take(t.Context(), b.opts.Limits.ArrivalBytes)
	if err != nil {
		t.Fatal(err)
	}
	ask[*kmsg.MetadataResponse](w, kmsg.NewPtrMetadataRequest())
	all.release()
}

// TestLargeTokensKeepNobodyWaiting: a hundred strangers who announced a token of 64 KiB
// each held all of the memory for tokens, in turns, and a user who came waited behind
// them until his time was over.
func TestLargeTokensKeepNobodyWaiting(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	for _, m := range []*memory{b.arrivalMemory, b.arrivalDecodeMemory} {
		all, err := m.take(t.Context(), b.opts.Limits.ArrivalBytes)
		if err != nil {
			t.Fatal(err)
		}
		defer all.release()
	}
	if code := logIn(dial(t, doors(t, b, plainOnly)), "anna", "anna"); code != 0 {
		t.Errorf("error %d", code)
	}
}

// TestStrangersHoldOneAnswer: what a stranger has asked is paid back before it takes the
// answer, which it may do as slowly as it likes.
func TestStrangersHoldOneAnswer(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	doors(t, b, plainOnly)
	client, server := net.Pipe() // a write waits for its reader
	served := make(chan struct{})
	go func() {
		defer close(served)
		b.newConn(server, plainOnly).serve()
	}()
	w := &wire{t, client}
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName = 3, strings.Repeat("x", 60_000)
	w.send(frameOf(req, 1))
	if _, err := io.ReadFull(w, make([]byte, 1)); err != nil { // the answer is on its way
		t.Fatal(err)
	}
	if used := b.arrivalDecodeMemory.budget("").Used; used > defaultAnswerBytes {
		t.Errorf("one stranger holds %d bytes", used)
	}
	_ = client.Close()
	<-served
}

// TestRefusalBeforeTheRest: a client that sends more behind a wrong password, without
// waiting, is told of the password. It used to find its connection closed because of
// the rest.
func TestRefusalBeforeTheRest(t *testing.T) {
	b, _ := testBroker(t, Limits{})
	w := dial(t, doors(t, b, plainOnly))
	handshake, token := kmsg.NewPtrSASLHandshakeRequest(), kmsg.NewPtrSASLAuthenticateRequest()
	handshake.Version, handshake.Mechanism = 1, "PLAIN"
	token.Version, token.SASLAuthBytes = 1, []byte("\x00anna\x00wrong")
	frames := append(frameOf(handshake, 1), frameOf(token, 2)...)
	w.send(append(frames, frameOf(kmsg.NewPtrMetadataRequest(), 3)...))
	w.receive()
	_, rest := w.receive()
	resp := token.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	if err := resp.ReadFrom(rest); err != nil || resp.ErrorCode != kerr.SaslAuthenticationFailed.Code {
		t.Errorf("error %d, %v", resp.ErrorCode, err)
	}
}

// TestNobodyLooked: whose time is over while he waits for others has no wrong password,
// and a client must not be told so.
func TestNobodyLooked(t *testing.T) {
	late, cancel := context.WithDeadlineCause(t.Context(), time.Unix(1, 0), errArrival)
	defer cancel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		ctx       context.Context
		err, want error
	}{
		{t.Context(), nil, nil},
		{t.Context(), sasl.ErrRefused, nil},
		{late, sasl.ErrRefused, nil}, // it was looked at in time
		{late, errArrival, errNotInTime},
		{t.Context(), sasl.ErrBusy, sasl.ErrBusy},
		{gone, context.Canceled, context.Canceled},
	} {
		if got := gaveUp(c.ctx, c.err); !errors.Is(got, c.want) {
			t.Errorf("%v after %v: %v, not %v", c.err, context.Cause(c.ctx), got, c.want)
		}
	}
}

// TestStrangersWriteShortLines: a name of 60 kB, or a token, was repeated in the log as
// it came, ten times a second: a gigabyte in half an hour from somebody without a
// password.
func TestStrangersWriteShortLines(t *testing.T) {
	var written lines
	b, _ := testBroker(t, Limits{})
	written.of(b, slog.LevelInfo)
	how := &Listener{Name: "SASL", Mechanisms: []sasl.Mechanism{sasl.Plain, sasl.ScramSHA256}}
	addr := doors(t, b, how)
	long := strings.Repeat("u", 60_000)
	for mechanism, bytes := range map[string]string{"PLAIN": "\x00" + long + "\x00x", "SCRAM-SHA-256": long + ",,n=x,r=y"} {
		w := dial(t, addr)
		handshake, token := kmsg.NewPtrSASLHandshakeRequest(), kmsg.NewPtrSASLAuthenticateRequest()
		handshake.Version, handshake.Mechanism = 1, mechanism
		ask[*kmsg.SASLHandshakeResponse](w, handshake)
		token.Version, token.SASLAuthBytes = 1, []byte(bytes)
		resp := ask[*kmsg.SASLAuthenticateResponse](w, token)
		if resp.ErrorCode != kerr.SaslAuthenticationFailed.Code || resp.ErrorMessage == nil || len(*resp.ErrorMessage) > 500 {
			t.Errorf("%s: error %d, with a text of %d bytes", mechanism, resp.ErrorCode, len(*resp.ErrorMessage))
		}
	}
	failed := written.with("authentication failed")
	if len(failed) != 2 {
		t.Errorf("%d lines, not 2", len(failed))
	}
	for _, line := range failed {
		if len(line) > 1000 {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
	}
}
