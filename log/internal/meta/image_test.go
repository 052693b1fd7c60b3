package meta

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/log/internal/quota"
	"github.com/millrace/millrace/log/internal/sasl"
)

// largeImage has so many topics of one partition each.
func largeImage(tb testing.TB, topics int) *Image {
	tb.Helper()
	source := rand.New(rand.NewPCG(1, 1))
	im := NewImage()
	for i := range topics {
		id := NewID(source)
		next, err := im.Apply(uint64(i+1), []Record{&TopicRecord{ID: id, Name: fmt.Sprintf("topic-%d", i)},
			&Partition{Topic: id, Replicas: []Replica{{1, testID(2)}}, ISR: []int32{1}, Leader: 1, LastKnownLeader: -1}})
		if err != nil {
			tb.Fatal(err)
		}
		im = next
	}
	return im
}

// TestImagesDoNotChange keeps an old image while new ones are made of it, in ways
// that share everything that can be shared.
func TestImagesDoNotChange(t *testing.T) {
	old := largeImage(t, 100)
	was := old.Fingerprint()
	topic := old.TopicByName("topic-7")
	p := *topic.Partitions[0]
	p.Epoch, p.LeaderEpoch = 1, 1
	second := Partition{Topic: topic.ID, Index: 1, Leader: 1}
	for name, records := range map[string][]Record{
		"partition": {&p},
		"more":      {&second},
		"config":    {&Config{Resource: ResourceTopic, Topic: topic.ID, Key: "retention.ms", Value: "1"}},
		"removal":   {&TopicRemoval{ID: topic.ID}},
		"feature":   {&Feature{Name: "f", Level: 3}},
		"quota":     {&ClientQuota{Entity: quota.Entity{User: quota.Default}, Key: quota.ProducerByteRate, Value: 5}},
		"group":     {&GroupConfig{Group: "g", Key: GroupSessionKey, Value: "50000"}},
		"user":      {&ScramCredential{User: "ada", Mechanism: sasl.ScramSHA256}},
		"acl":       {&ACL{ID: testID(7), Entry: readsTopics("User:ada", "a")}},
		"all":       {&p, &second, &Feature{Name: "f", Level: 3}, &TopicRemoval{ID: topic.ID}, &TopicRecord{ID: testID(9), Name: "topic-7"}},
	} {
		next, err := old.Apply(101, records)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if next.Fingerprint() == was {
			t.Errorf("%s changed nothing", name)
		}
		if old.Fingerprint() != was || old.PartitionCount() != 100 {
			t.Errorf("%s changed the image that it was made of", name)
		}
	}
}

func TestImageRefusesWhatDoesNotFit(t *testing.T) {
	im := largeImage(t, 3)
	topic := im.TopicByName("topic-1")
	removed, err := im.Apply(4, []Record{&TopicRemoval{ID: topic.ID}})
	if err != nil {
		t.Fatal(err)
	}
	withACL, err := im.Apply(4, []Record{&ACL{ID: testID(7), Entry: readsTopics("User:ada", "a")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		im *Image
		r  Record
	}{
		"name taken":          {im, &TopicRecord{ID: testID(9), Name: "topic-1"}},
		"id taken":            {im, &TopicRecord{ID: topic.ID, Name: "other"}},
		"id of a removed one": {removed, &TopicRecord{ID: topic.ID, Name: "other"}},
		"removed twice":       {removed, &TopicRemoval{ID: topic.ID}},
		"gap in partitions":   {im, &Partition{Topic: topic.ID, Index: 2}},
		"partition epoch":     {im, &Partition{Topic: topic.ID, Index: 0}},
		"unknown topic":       {removed, &Partition{Topic: topic.ID, Index: 0}},
		"config of no topic":  {removed, &Config{Resource: ResourceTopic, Topic: topic.ID}},
		"unknown user":        {im, &ScramCredential{User: "ada", Mechanism: sasl.ScramSHA256, Remove: true}},
		"unknown acl":         {im, &ACL{ID: testID(7), Remove: true}},
		"acl of nobody":       {im, &ACL{ID: testID(7)}},
		"acl there already":   {withACL, &ACL{ID: testID(8), Entry: readsTopics("User:ada", "a")}},
		"acl id there":        {withACL, &ACL{ID: testID(7), Entry: readsTopics("User:ada", "b")}},
		"config of nothing":   {im, &Config{Resource: 99}},
	} {
		if _, err := c.im.Apply(5, []Record{c.r}); !errors.Is(err, ErrInvalidRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRemovalsAreRemembered deletes more topics than an image remembers.
func TestRemovalsAreRemembered(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 1))
	im := NewImage()
	var ids []ID
	for i := range maxRemovals/8 + 2 {
		var records []Record
		for range 8 {
			ids = append(ids, NewID(source))
			records = append(records, &TopicRemoval{ID: ids[len(ids)-1]})
		}
		next, err := im.Apply(uint64(i+1), records)
		if err != nil {
			t.Fatal(err)
		}
		im = next
	}
	again, err := NewImage().Apply(im.Index(), im.Records())
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range []*Image{im, again} {
		if im.Removed(ids[0]) || im.Removed(ids[15]) || !im.Removed(ids[16]) || !im.Removed(ids[len(ids)-1]) || im.removals.len() != maxRemovals {
			t.Errorf("of %d removals %d are remembered", len(ids), im.removals.len())
		}
	}
}

// BenchmarkApply changes one partition of ten thousand.
func BenchmarkApply(b *testing.B) {
	im := largeImage(b, 10_000)
	topic := im.TopicByName("topic-77")
	p := *topic.Partitions[0]
	b.ReportAllocs()
	for b.Loop() {
		next := p
		next.Epoch++
		p = next
		var err error
		if im, err = im.Apply(im.Index()+1, []Record{&next}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot writes and reads an image of ten thousand partitions.
func BenchmarkSnapshot(b *testing.B) {
	im := largeImage(b, 10_000)
	for b.Loop() {
		data := encodeImage(im)
		if _, err := decodeImage(im.Index(), data); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
	}
}
