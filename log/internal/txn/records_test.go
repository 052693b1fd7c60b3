package txn

import (
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/millrace/millrace/log/internal/coord"
)

// golden is a record of __transaction_state as bytes, written out by hand from
// Kafka's schemas TransactionLogKey and TransactionLogValue.
var golden = []struct {
	name       string
	key, value string
	want       transaction
}{
	{
		name: "version 1, all fields",
		key:  "0000" + "0001" + "78",
		value: "0001" + // version
			"00000000000003e9" + // producer id
			"0005" + // epoch
			"0000ea60" + // timeout
			"01" + // Ongoing
			"03" + // two topics
			"02" + "74" + "03" + "00000000" + "00000002" + "00" + // t: 0, 2
			"02" + "75" + "02" + "00000001" + "00" + // u: 1
			"000000000000000a" + // last update
			"0000000000000009" + // start
			"04" + // four tagged fields
			"00" + "08" + "0000000000000007" + // previous producer id
			"01" + "08" + "0000000000000008" + // next producer id
			"02" + "02" + "0002" + // client's transaction version
			"04" + "02" + "0004", // last producer epoch
		want: transaction{id: "x", state: Ongoing, pid: 1001, prevPid: 7, nextPid: 8, epoch: 5, lastEpoch: 4,
			timeoutMs: 60000, partitions: []TopicPartition{{"t", 0}, {"t", 2}, {"u", 1}}, startMs: 9, updateMs: 10, version: 2},
	},
	{
		name: "version 1, defaults left out",
		key:  "0000" + "0001" + "78",
		value: "0001" + "0000000000000001" + "0000" + "00000001" + "00" + "01" +
			"0000000000000002" + "ffffffffffffffff" + "01" + "02" + "02" + "0001",
		want: transaction{id: "x", state: Empty, pid: 1, prevPid: none, nextPid: none, epoch: 0, lastEpoch: none,
			timeoutMs: 1, startMs: -1, updateMs: 2, version: 1},
	},
}

// TestGoldenRecords: the bytes that other tools read are the ones that we write, and
// the other way round.
func TestGoldenRecords(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			if got := hex.EncodeToString(recordKey(g.want.id)); got != g.key {
				t.Errorf("key %s, want %s", got, g.key)
			}
			if got := hex.EncodeToString(recordValue(&g.want)); got != g.value {
				t.Errorf("value\n%s, want\n%s", got, g.value)
			}
			c := NewCore(Config{}, 1, start)
			if err := c.Replay(coord.Record{Key: unhex(t, g.key), Value: unhex(t, g.value)}); err != nil {
				t.Fatal(err)
			}
			if got := c.txns["x"]; !reflect.DeepEqual(*got, g.want) {
				t.Errorf("replayed %+v, want %+v", *got, g.want)
			}
		})
	}
}

// TestReadsVersion0: what a Kafka before 4.0 wrote has no tagged fields.
func TestReadsVersion0(t *testing.T) {
	value := unhex(t, "0000"+"0000000000000001"+"0003"+"0000ea60"+"02"+
		"00000001"+"0001"+"74"+"00000001"+"00000005"+"0000000000000002"+"0000000000000001")
	got, err := decodeRecord("x", value)
	if err != nil {
		t.Fatal(err)
	}
	want := transaction{id: "x", state: PrepareCommit, pid: 1, prevPid: none, nextPid: none, epoch: 3, lastEpoch: none,
		timeoutMs: 60000, partitions: []TopicPartition{{"t", 5}}, startMs: 1, updateMs: 2, version: 1}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
}

// TestRefusesStrangeRecords: a coordinator that skipped one would decide without it.
func TestRefusesStrangeRecords(t *testing.T) {
	good := unhex(t, golden[1].key)
	for name, r := range map[string]coord.Record{
		"no key":         {},
		"key version":    {Key: unhex(t, "0001000178")},
		"value cut":      {Key: good, Value: unhex(t, golden[1].value[:20])},
		"value unknown":  {Key: good, Value: unhex(t, "0000"+"0000000000000001"+"0000"+"00000001"+"09"+"00000000"+"0000000000000002"+"0000000000000001")},
		"value of Dead":  {Key: good, Value: unhex(t, "0000"+"0000000000000001"+"0000"+"00000001"+"06"+"00000000"+"0000000000000002"+"0000000000000001")},
		"negative state": {Key: good, Value: unhex(t, "0000"+"0000000000000001"+"0000"+"00000001"+"ff"+"00000000"+"0000000000000002"+"0000000000000001")},
	} {
		if err := NewCore(Config{}, 1, start).Replay(r); err == nil {
			t.Errorf("%s: replayed", name)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
