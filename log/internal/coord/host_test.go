package coord_test

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/log/internal/coord"
	"github.com/millrace/millrace/log/internal/coord/coordtest"
	"github.com/millrace/millrace/log/internal/core"
)

// journal is a core that writes down what it is asked to, and replies with all that
// was ever written.
type journal struct {
	text  string
	token core.Token
	epoch int32
}

type line struct {
	id   uint64
	text string
}

func (j *journal) Replay(r coord.Record) error {
	if string(r.Value) == "poison" {
		return errors.New("cannot read this")
	}
	j.text += string(r.Value)
	return nil
}

func (j *journal) Step(_ time.Duration, in core.Input, out *core.Duties) {
	l, ok := in.(line)
	if !ok {
		return
	}
	if l.text != "" {
		j.token++
		j.text += l.text
		b := coord.Batch{ProducerID: -1, ProducerEpoch: -1, Records: []coord.KV{{Key: []byte("k"), Value: []byte(l.text)}}}
		out.Add(core.Append{Token: j.token, Batch: b.Encode()})
	}
	out.AddAfter(j.token, core.Reply{ID: l.id, Response: j.text})
}

// hosted is a Host of journals in a bubble.
type hosted struct {
	*coord.Host
	t      *testing.T
	resets int
}

func inBubble(t *testing.T, f func(h *hosted)) {
	synctest.Test(t, func(t *testing.T) {
		d := core.NewDriver(core.DriverOptions{Shards: 1})
		h := &hosted{t: t}
		h.Host = coord.NewHost(coord.HostOptions{Topic: "__t", Driver: d,
			New:    func(_, epoch int32, _ time.Time) coord.Replayable { return &journal{epoch: epoch} },
			Reset:  func(int32) { h.resets++ },
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		defer d.Close()
		defer h.Close() // a second time
		f(h)
		h.Close()
	})
}

func (h *hosted) write(text string) (string, error) {
	r, err := h.Call(h.t.Context(), 1, func(id uint64) core.Input { return line{id, text} })
	if err != nil {
		return "", err
	}
	return r.(string), nil
}

func (h *hosted) expect(text, want string) {
	h.t.Helper()
	if got, err := h.write(text); err != nil || got != want {
		h.t.Fatalf("write %q: %q, %v, want %q", text, got, err, want)
	}
}

func (h *hosted) expectError(want error) {
	h.t.Helper()
	if got, err := h.write("no"); !errors.Is(err, want) {
		h.t.Fatalf("got %q, %v, want %v", got, err, want)
	}
}

// TestHostLeadership: not led, loading, led, and led again by another life.
func TestHostLeadership(t *testing.T) {
	inBubble(t, func(h *hosted) {
		h.expectError(coord.ErrNotLeader)
		log := coordtest.NewLog()
		h.Elected(1, 1, log)
		synctest.Wait()
		h.expect("a", "a")
		h.expect("b", "ab")
		h.Elected(1, 2, log)
		synctest.Wait()
		h.expect("", "ab")
		h.Resigned(1)
		h.expectError(coord.ErrNotLeader)
		if log.End() != 2 {
			t.Errorf("log ends at %d", log.End())
		}
	})
}

// TestHostLoadsWhatIsCommitted: a record that was appended by the last leader and is
// not committed yet may still become so. Loading waits for it; otherwise the new core
// would not know of it.
func TestHostLoadsWhatIsCommitted(t *testing.T) {
	inBubble(t, func(h *hosted) {
		log := coordtest.NewLog()
		log.Hold()
		b := coord.Batch{ProducerID: -1, ProducerEpoch: -1, Records: []coord.KV{{Value: []byte("old ")}}}
		log.Append(b.Encode(), func(int64, error) {})
		h.Elected(1, 1, log)
		synctest.Wait()
		h.expectError(coord.ErrLoading)
		log.Release()
		synctest.Wait()
		h.expect("new", "old new")
	})
}

// TestHostStartsAgainAfterFailedAppend: nothing of what failed is remembered.
func TestHostStartsAgainAfterFailedAppend(t *testing.T) {
	inBubble(t, func(h *hosted) {
		log := coordtest.NewLog()
		h.Elected(1, 1, log)
		synctest.Wait()
		h.expect("a", "a")
		log.Fail(errors.New("disk"))
		h.expectError(core.ErrReset)
		log.Fail(nil)
		synctest.Wait()
		h.expect("b", "ab")
		if h.resets != 1 {
			t.Errorf("%d resets", h.resets)
		}
	})
}

// TestHostTriesAgain: a log that cannot be read keeps its partition loading, not down.
func TestHostTriesAgain(t *testing.T) {
	inBubble(t, func(h *hosted) {
		log := coordtest.NewLog()
		b := coord.Batch{ProducerID: -1, ProducerEpoch: -1, Records: []coord.KV{{Value: []byte("poison")}}}
		log.Append(b.Encode(), func(int64, error) {})
		h.Elected(1, 1, log)
		time.Sleep(time.Minute) // of the bubble's clock
		h.expectError(coord.ErrLoading)
	})
}

// TestHostLoadsManyReads: a log larger than one read is loaded whole.
func TestHostLoadsManyReads(t *testing.T) {
	inBubble(t, func(h *hosted) {
		log := coordtest.NewLog()
		h.Elected(1, 1, log)
		synctest.Wait()
		big := strings.Repeat("x", 300_000)
		for i := range 10 {
			h.expect(big, strings.Repeat(big, i+1))
		}
		h.Elected(1, 2, log)
		synctest.Wait()
		h.expect("", strings.Repeat(big, 10))
	})
}

// TestHostClose: calls under way end.
func TestHostClose(t *testing.T) {
	inBubble(t, func(h *hosted) {
		log := coordtest.NewLog()
		h.Elected(1, 1, log)
		synctest.Wait()
		log.Hold()
		done := make(chan error, 1)
		go func() {
			_, err := h.write("a")
			done <- err
		}()
		synctest.Wait()
		h.Close()
		if err := <-done; !errors.Is(err, core.ErrClosed) {
			t.Errorf("call ended with %v", err)
		}
		h.Elected(1, 2, log)
		h.expectError(coord.ErrNotLeader)
		log.Release()
	})
}
