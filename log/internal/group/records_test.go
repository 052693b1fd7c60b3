package group

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/log/internal/coord"
)

// The records of __consumer_offsets as bytes, written out by hand from Kafka's schemas
// OffsetCommitKey, OffsetCommitValue, GroupMetadataKey and GroupMetadataValue.
const (
	goldenOffsetKey = "0001" + "0001" + "67" + "0001" + "74" + "00000003"
	goldenOffset4   = "0004" + "000000000000002a" + "00000005" + "03" + "6869" + "00000000000f4240" +
		"01" + "00" + "10" + "75000000000000000000000000000000" // tag 0: topic id
	goldenOffset4Bare = "0004" + "000000000000002a" + "ffffffff" + "01" + "00000000000f4240" + "00"
	goldenOffset1     = "0001" + "000000000000002a" + "0002" + "6869" + "00000000000f4240" + "00000000000f4241"
	goldenOffset3     = "0003" + "000000000000002a" + "00000005" + "0002" + "6869" + "00000000000f4240"
	goldenOffset0     = "0000" + "000000000000002a" + "0002" + "6869" + "00000000000f4240"

	goldenGroupKey = "0002" + "0001" + "67"
	goldenGroup3   = "0003" + "0008" + "636f6e73756d6572" + "00000007" + "0005" + "72616e6765" + "0001" + "61" +
		"00000000000f4240" + "00000001" +
		"0001" + "61" + "0001" + "69" + "0001" + "63" + "0002" + "2f68" + // member, instance, client, host
		"0000ea60" + "00002710" + "00000001" + "73" + "00000002" + "6162" // timeouts, subscription, assignment
)

func TestGoldenOffsets(t *testing.T) {
	k := offsetKey{"g", "t", 3}
	if got := hex.EncodeToString(offsetRecordKey(k)); got != goldenOffsetKey {
		t.Errorf("key %s, want %s", got, goldenOffsetKey)
	}
	full := committed{offset: 42, leaderEpoch: 5, metadata: "hi", commitMs: 1_000_000, expireMs: -1, topicID: topicID("u")}
	old := committed{offset: 42, leaderEpoch: -1, metadata: "hi", commitMs: 1_000_000, expireMs: -1}
	for _, test := range []struct {
		name, value string
		want        committed
		written     bool // by us, too
	}{
		{"4", goldenOffset4, full, true},
		{"4 without tags", goldenOffset4Bare, committed{offset: 42, leaderEpoch: -1, commitMs: 1_000_000, expireMs: -1}, true},
		{"1", goldenOffset1, committed{offset: 42, leaderEpoch: -1, metadata: "hi", commitMs: 1_000_000, expireMs: 1_000_001}, true},
		{"3", goldenOffset3, committed{offset: 42, leaderEpoch: 5, metadata: "hi", commitMs: 1_000_000, expireMs: -1}, false},
		{"0", goldenOffset0, old, false},
	} {
		got, err := decodeOffset(unhex(t, test.value))
		if err != nil || got != test.want {
			t.Errorf("version %s: read %+v, %v, want %+v", test.name, got, err, test.want)
		}
		if test.written {
			if got := hex.EncodeToString(offsetRecordValue(&test.want)); got != test.value {
				t.Errorf("version %s: wrote\n%s, want\n%s", test.name, got, test.value)
			}
		}
	}
}

func TestGoldenGroup(t *testing.T) {
	c := newCore()
	if err := c.Replay(coord.Record{Key: unhex(t, goldenGroupKey), Value: unhex(t, goldenGroup3)}); err != nil {
		t.Fatal(err)
	}
	g := c.groups["g"]
	if g.state != Stable || g.generation != 7 || g.protocol != "range" || g.leader != "a" || g.static["i"] == nil {
		t.Fatalf("replayed %+v", g)
	}
	m := g.members[0]
	if string(m.assignment) != "ab" || string(m.metadata("range")) != "s" || m.session != millis(10_000) || m.rebalanceTimeout != millis(60_000) {
		t.Fatalf("replayed member %+v", m)
	}
	c.writeMetadata(g)
	if got := hex.EncodeToString(c.batch[0].Key); got != goldenGroupKey {
		t.Errorf("key %s, want %s", got, goldenGroupKey)
	}
	if got := hex.EncodeToString(c.batch[0].Value); got != goldenGroup3 {
		t.Errorf("value\n%s, want\n%s", got, goldenGroup3)
	}
}

// TestStrangeRecords: of kinds of a newer release, the rest of the partition is still
// served; broken ones are not passed over.
func TestStrangeRecords(t *testing.T) {
	c := newCore()
	if err := c.Replay(coord.Record{Key: unhex(t, "000b"+"0001"+"67")}); err != nil || c.Skipped() != 1 {
		t.Errorf("key of version 11, of a share group: %v, %d skipped", err, c.Skipped())
	}
	for name, r := range map[string]coord.Record{
		"no key":     {},
		"key cut":    {Key: unhex(t, goldenOffsetKey[:10])},
		"offset cut": {Key: unhex(t, goldenOffsetKey), Value: unhex(t, goldenOffset4[:20])},
		"group cut":  {Key: unhex(t, goldenGroupKey), Value: unhex(t, goldenGroup3[:60])},
	} {
		if err := newCore().Replay(r); err == nil {
			t.Errorf("%s: replayed", name)
		}
	}
}

func newCore() *Core { return NewCore(Config{}, start, rand.New(rand.NewPCG(1, 1))) }

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
