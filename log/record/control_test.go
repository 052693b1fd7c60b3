package record

import (
	"encoding/hex"
	"errors"
	"testing"
)

func TestControlBatch(t *testing.T) {
	for _, want := range []Control{{Abort, 0}, {Commit, 1 << 20}} {
		batch := ControlBatch(want, 42, 7, 1_700_000_000_000)
		h, err := Check(batch, Limits{})
		if err != nil || !h.Control() || !h.Transactional() || h.ProducerID != 42 || h.ProducerEpoch != 7 || h.BaseSequence != -1 {
			t.Fatalf("%+v %v", h, err)
		}
		if got, err := ParseControl(batch); got != want || err != nil {
			t.Fatal(got, err)
		}
	}
	if _, err := ParseControl(sample(t, 1)); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
}

// TestControlBatchBytes fixes the encoding that every consumer in the world reads.
func TestControlBatchBytes(t *testing.T) {
	const want = "0000000000000000" + "00000042" + "00000000" + "02" + "31d5dbd4" + "0030" + "00000000" +
		"0000018bcfe56800" + "0000018bcfe56800" + "000000000000002a" + "0007" + "ffffffff" + "00000001" +
		"20" + "00" + "00" + "00" + "08" + "00000001" + "0c" + "000000000003" + "00"
	if got := hex.EncodeToString(ControlBatch(Control{Commit, 3}, 42, 7, 1_700_000_000_000)); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}
