package meta

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/log/internal/acl"
	"github.com/millrace/millrace/log/internal/quota"
	"github.com/millrace/millrace/log/internal/sasl"
)

var update = flag.Bool("update", false, "rewrite golden files")

// examples is one record of every kind, with every field set.
func examples() []Record {
	tags := []Tag{{Number: 3, Value: []byte("new")}, {Number: 900, Value: []byte{}}}
	return []Record{
		&Cluster{ID: testID(1)},
		&Feature{Name: FeatureVersion, Level: 1},
		&Broker{NodeID: 1, Directory: testID(2), Incarnation: testID(3), Epoch: 7, PreviousEpoch: -1, Rack: "r1",
			Listeners:  []Listener{{Name: "plain", Host: "127.0.0.1", Port: 9092, Protocol: "plaintext"}},
			Features:   []FeatureRange{{Name: FeatureVersion, Min: 1, Max: 1}},
			SyncPolicy: "always"},
		&TopicRecord{ID: testID(4), Name: "clicks", Internal: true},
		&TopicRemoval{ID: testID(4)},
		&Partition{Topic: testID(4), Index: 2, Replicas: []Replica{{1, testID(2)}, {2, testID(5)}}, ISR: []int32{1},
			ELR: []int32{2}, LastKnownLeader: -1, Leader: 1, LeaderEpoch: 8, Epoch: 9},
		&Config{Resource: ResourceTopic, Topic: testID(4), NodeID: -1, Key: "retention.ms", Value: "1000"},
		&Config{Resource: ResourceBroker, NodeID: -1, Key: "k", Remove: true},
		&ProducerIDBlock{Next: 2000, NodeID: 1, BrokerEpoch: 7},
		&ClientQuota{Entity: quota.Entity{User: quota.Named("ada"), ClientID: quota.Default}, Key: quota.RequestPercentage, Value: 12.5},
		&ClientQuota{Entity: quota.Entity{IP: quota.Named("10.0.0.1")}, Key: quota.ConnectionCreationRate, Remove: true},
		&ACL{ID: testID(6), Entry: acl.Entry{Resource: acl.Topic, Name: "clicks-", Pattern: acl.Prefixed, Principal: "User:ada", Host: "*",
			Operation: acl.Read, Permission: acl.Allow}},
		&ACL{ID: testID(6), Remove: true},
		&ScramCredential{User: "ada", Mechanism: sasl.ScramSHA512, Credential: sasl.Credential{Salt: []byte("salt"),
			StoredKey: []byte{1, 2, 255}, ServerKey: []byte{3, 4, 254}, Iterations: 4096}},
		&ScramCredential{User: "bob", Mechanism: sasl.ScramSHA256, Remove: true},
		&GroupConfig{Group: "shop", Key: GroupSessionKey, Value: "50000"},
		&GroupConfig{Group: "shop", Key: GroupHeartbeatKey, Remove: true},
		&Cluster{ID: testID(1), Tags: tags},
	}
}

// TestRecordsGolden fixes the layout: a change of this file breaks every cluster
// that exists.
func TestRecordsGolden(t *testing.T) {
	var b strings.Builder
	for _, r := range examples() {
		fmt.Fprintf(&b, "%T\n%s\n", r, hex.EncodeToString(AppendRecord(nil, r)))
	}
	fmt.Fprintf(&b, "entry of the last two\n%s\n", hex.EncodeToString(encodeEntry([][]byte{
		AppendRecord(nil, examples()[0]), AppendRecord(nil, examples()[1])})))
	golden(t, "testdata/records.golden", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update rewrites it):\n%s", name, got)
	}
}

func TestRecordsRoundTrip(t *testing.T) {
	var all []byte
	for _, r := range examples() {
		b := AppendRecord(nil, r)
		got, rest, err := DecodeRecord(b)
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(got, r) {
			t.Errorf("%#v\nbecame %#v, %d bytes left, %v", r, got, len(rest), err)
		}
		for cut := range b {
			if _, _, err := DecodeRecord(b[:cut]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%T cut at %d of %d: %v", r, cut, len(b), err)
			}
		}
		all = append(all, b...)
	}
	if got, err := DecodeRecords(all); err != nil || len(got) != len(examples()) {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestUnknownRecordsStopTheNode(t *testing.T) {
	known := AppendRecord(nil, &Feature{Name: "f"})
	for name, b := range map[string][]byte{
		"type":       {99, 1, 0},
		"large type": {0xff, 0xff, 0xff, 0x7f, 1, 0},
		"version":    append([]byte{byte(TypeFeature), 2}, known[2:]...),
	} {
		if _, _, err := DecodeRecord(b); !errors.Is(err, ErrUnknownRecord) {
			t.Errorf("unknown %s: %v", name, err)
		}
	}
}

func TestEntryChecksItsSum(t *testing.T) {
	entry := encodeEntry([][]byte{AppendRecord(nil, &Feature{Name: "f", Level: 1})})
	for i := range entry {
		flipped := bytes.Clone(entry)
		flipped[i] ^= 0x10
		_, err := decodeEntry(flipped)
		if i == 0 && !errors.Is(err, ErrUnknownRecord) || i > 0 && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("bit flipped in byte %d: %v", i, err)
		}
	}
	if _, err := decodeEntry(entry[:3]); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

// FuzzDecodeRecord feeds arbitrary bytes: no panic, a bounded allocation, and what
// is accepted is written back to something that means the same.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range examples() {
		f.Add(AppendRecord(nil, r))
	}
	f.Add([]byte{byte(TypePartition), 1, 0xff, 0xff, 0x3f})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := DecodeRecord(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknownRecord) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		again, rest, err := DecodeRecord(AppendRecord(nil, r))
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(again, r) {
			t.Fatalf("%#v\nbecame %#v, %v", r, again, err)
		}
	})
}
