package group

import (
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// The records of consumer groups as bytes, written out by hand from Kafka's schemas
// ConsumerGroup*Key and ConsumerGroup*Value. Compact lengths are one more than they
// say; the 00 at the end of a structure is that it has no tagged fields.
const (
	goldenGroup  = "0001" + "67" // g
	goldenMember = "0001" + "6d" // m

	goldenEpochKey     = "0003" + goldenGroup
	goldenEpoch        = "0000" + "00000007" + "01" + "00" + "08" + "0102030405060708" // tag 0: hash
	goldenEpochBare    = "0000" + "00000007" + "00"
	goldenEpochCreated = "0000" + "00000007" + "01" + "01" + "08" + "00000000000f4240" // tag 1: creation time, of a later Kafka

	goldenProfileKey = "0005" + goldenGroup + goldenMember
	goldenProfile    = "0000" + "02" + "69" + "00" + "02" + "63" + "03" + "2f68" + // instance, no rack, client, host
		"03" + "02" + "74" + "02" + "75" + "03" + "742e" + // topics t and u, pattern t.
		"0000ea60" + "08" + "756e69666f726d" + "00" // rebalance timeout, assignor
	goldenProfileClassic = "0000" + "00" + "02" + "72" + "02" + "63" + "03" + "2f68" + "02" + "02" + "74" + "01" + "0000ea60" + "00" +
		"01" + "00" + "10" + // tag 0 of 16 bytes
		"01" + "00002710" + "02" + "06" + "72616e6765" + "02" + "78" + "00" + "00" // session, one protocol: range with x

	goldenTargetEpochKey   = "0006" + goldenGroup
	goldenTargetEpoch      = "0000" + "00000007" + "00"
	goldenTargetEpochTimed = "0000" + "00000007" + "01" + "00" + "08" + "00000000000f4240" // tag 0: when it was computed

	goldenTopic     = "75000000000000000000000000000000" // topic u
	goldenTargetKey = "0007" + goldenGroup + goldenMember
	goldenTarget    = "0000" + "02" + goldenTopic + "03" + "00000001" + "00000003" + "00" + "00"

	goldenStandingKey = "0008" + goldenGroup + goldenMember
	goldenStanding    = "0000" + "00000007" + "00000006" + "01" + // epoch, previous, unrevoked
		"02" + goldenTopic + "03" + "00000001" + "00000003" + "01" + "00" + "09" + "03" + "00000005" + "00000007" + // assigned; tag 0: since
		"02" + goldenTopic + "02" + "00000002" + "01" + "00" + "05" + "02" + "00000004" + // to be revoked
		"00"
	goldenStandingBare = "0000" + "00000007" + "00000006" + "00" + "02" + goldenTopic + "02" + "00000001" + "00" + "01" + "00"

	goldenRegexKey = "0010" + goldenGroup + "0002" + "742e"
	goldenRegex    = "0000" + "03" + "03" + "7431" + "03" + "7432" + "0000000000000009" + "00000000000f4240" + "00"
)

func TestGoldenConsumerKeys(t *testing.T) {
	for want, got := range map[string][]byte{
		goldenEpochKey:       consumerKey(groupEpochKey, "g", ""),
		goldenProfileKey:     consumerKey(memberProfileKey, "g", "m"),
		goldenTargetEpochKey: consumerKey(targetEpochKey, "g", ""),
		goldenTargetKey:      consumerKey(memberTargetKey, "g", "m"),
		goldenStandingKey:    consumerKey(memberStandingKey, "g", "m"),
		goldenRegexKey:       consumerKey(regexKey, "g", "t."),
	} {
		if hex.EncodeToString(got) != want {
			t.Errorf("key %x, want %s", got, want)
		}
		group, of, err := decodeConsumerKey(got)
		if err != nil || group != "g" || keyNamesMore(int16(got[1])) != (of != "") {
			t.Errorf("key %x is of %q, %q, %v", got, group, of, err)
		}
	}
}

func TestGoldenConsumerValues(t *testing.T) {
	u := topicID("u")
	member := &profile{instance: new("i"), clientID: "c", host: "/h", topics: []string{"t", "u"}, regex: "t.",
		rebalanceTimeout: time.Minute, assignor: new("uniform")}
	old := &profile{rack: new("r"), clientID: "c", host: "/h", topics: []string{"t"}, rebalanceTimeout: time.Minute,
		classic: &classicProfile{10 * time.Second, []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte("x")}}}}
	at := &standing{epoch: 7, previous: 6, state: memberUnrevoked,
		assigned: partitions{{u, 1}: 5, {u, 3}: 7}, revoking: partitions{{u, 2}: 4}}
	for name, test := range map[string]struct {
		want string
		got  []byte
	}{
		"epoch":          {goldenEpoch, epochValue(7, 0x0102030405060708)},
		"epoch, no hash": {goldenEpochBare, epochValue(7, 0)},
		"member":         {goldenProfile, profileValue(member)},
		"classic member": {goldenProfileClassic, profileValue(old)},
		"target epoch":   {goldenTargetEpoch, targetEpochValue(7)},
		"target":         {goldenTarget, targetValue(partitions{{u, 3}: 0, {u, 1}: 0})},
		"standing":       {goldenStanding, standingValue(at)},
		"regex":          {goldenRegex, regexValue(&regex{topics: []string{"t1", "t2"}, version: 9, resolvedMs: 1_000_000})},
	} {
		if got := hex.EncodeToString(test.got); got != test.want {
			t.Errorf("%s: wrote\n%s, want\n%s", name, got, test.want)
		}
	}
	for name, want := range map[string]*profile{goldenProfile: member, goldenProfileClassic: old} {
		if p, err := decodeProfile(unhex(t, name)); err != nil || !p.equal(want) {
			t.Errorf("read member %+v, %v", p, err)
		}
	}
	if s, err := decodeStanding(unhex(t, goldenStanding)); err != nil || !s.equal(at) {
		t.Errorf("read standing %+v, %v", s, err)
	}
	if p, err := decodeTarget(unhex(t, goldenTarget)); err != nil || !reflect.DeepEqual(p, partitions{{u, 1}: 0, {u, 3}: 0}) {
		t.Errorf("read target %+v, %v", p, err)
	}
}

// TestConsumerValuesOfOthers: records of other versions of Kafka, which have fewer
// tagged fields or more.
func TestConsumerValuesOfOthers(t *testing.T) {
	for _, value := range []string{goldenEpoch, goldenEpochBare, goldenEpochCreated} {
		if epoch, _, err := decodeEpoch(unhex(t, value)); epoch != 7 || err != nil {
			t.Errorf("%s: epoch %d, %v", value, epoch, err)
		}
	}
	if epoch, err := decodeTargetEpoch(unhex(t, goldenTargetEpochTimed)); epoch != 7 || err != nil {
		t.Errorf("target epoch %d, %v", epoch, err)
	}
	s, err := decodeStanding(unhex(t, goldenStandingBare))
	if err != nil || len(s.assigned) != 1 || s.state != memberStable {
		t.Errorf("standing %+v, %v", s, err)
	}
	// Kafka 4.0 wrote what it knew of the topics; the record goes with the next epoch.
	c := newCore()
	for _, r := range []coord.Record{
		{Key: unhex(t, goldenEpochKey), Value: unhex(t, goldenEpochBare)},
		{Key: unhex(t, "0004"+goldenGroup), Value: []byte("whatever")},
	} {
		if err := c.Replay(r); err != nil {
			t.Fatal(err)
		}
	}
	c.raiseEpoch(c.groups["g"])
	if len(c.batch) != 2 || hex.EncodeToString(c.batch[1].Key) != "0004"+goldenGroup || c.batch[1].Value != nil {
		t.Errorf("noted %x", c.batch)
	}
}

// TestBrokenConsumerRecords: what cannot be read stops the partition, cut anywhere.
func TestBrokenConsumerRecords(t *testing.T) {
	for key, value := range map[string]string{goldenEpochKey: goldenEpoch, goldenProfileKey: goldenProfileClassic,
		goldenTargetEpochKey: goldenTargetEpoch, goldenTargetKey: goldenTarget, goldenStandingKey: goldenStanding, goldenRegexKey: goldenRegex} {
		k, v := unhex(t, key), unhex(t, value)
		for cut := range len(v) {
			if cut > 0 && newCore().Replay(coord.Record{Key: k, Value: v[:cut]}) == nil {
				t.Errorf("a value of version %s was read although it is cut at %d", key[:4], cut)
			}
		}
		if newCore().Replay(coord.Record{Key: k[:len(k)-1], Value: v}) == nil {
			t.Errorf("a key of version %s was read although it is cut", key[:4])
		}
		if newCore().Replay(coord.Record{Key: k, Value: append([]byte{0, 1}, v[2:]...)}) == nil {
			t.Errorf("a value of version %s was read as if its own version were 0", key[:4])
		}
	}
}

// FuzzConsumerRecords: no record takes the coordinator down or makes it allocate
// without end; what is read and written again is read as the same.
func FuzzConsumerRecords(f *testing.F) {
	for key, value := range map[string]string{goldenEpochKey: goldenEpoch, goldenProfileKey: goldenProfileClassic,
		goldenTargetEpochKey: goldenTargetEpoch, goldenTargetKey: goldenTarget, goldenStandingKey: goldenStanding, goldenRegexKey: goldenRegex} {
		k, _ := hex.DecodeString(key)
		v, _ := hex.DecodeString(value)
		f.Add(k, v)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		c := newCore()
		_ = c.Replay(coord.Record{Key: key, Value: value})
		if p, err := decodeProfile(value); err == nil {
			if q, err := decodeProfile(profileValue(&p)); err != nil || !q.equal(&p) {
				t.Errorf("%+v was read again as %+v, %v", p, q, err)
			}
		}
		if s, err := decodeStanding(value); err == nil {
			if q, err := decodeStanding(standingValue(&s)); err != nil || !q.equal(&s) {
				t.Errorf("%+v was read again as %+v, %v", s, q, err)
			}
		}
	})
}
