package meta

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/quota"
)

func userRate(name string, rate float64) QuotaChanges {
	return QuotaChanges{Entity: quota.Entity{User: quota.Named(name)}, Changes: []QuotaChange{{Key: quota.ProducerByteRate, Value: rate}}}
}

// TestQuotasEntityByEntity changes several entities in one request: one that is
// refused does not hold up the others, and one that is named twice is changed once.
func TestQuotasEntityByEntity(t *testing.T) {
	c := NewController(ControllerOptions{})
	results, records := c.alterClientQuotas(AlterClientQuotas{Entities: []QuotaChanges{
		userRate("a", 1), userRate("b", -1), userRate("a", 2), userRate("c", 3)}})
	if len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
	for i, want := range []error{nil, kerr.InvalidRequest, kerr.InvalidRequest, nil} {
		if got := results.([]error)[i]; !errors.Is(got, want) {
			t.Errorf("entity %d: %v", i, got)
		}
	}
}

// TestQuotaEntitiesAreBounded fills the image with entities and changes one that is
// there, adds one and removes one.
func TestQuotaEntitiesAreBounded(t *testing.T) {
	c := NewController(ControllerOptions{})
	var records []Record
	for i := range maxQuotaEntities {
		records = append(records, &ClientQuota{Entity: quota.Entity{User: quota.Named(fmt.Sprint(i))}, Key: quota.ProducerByteRate, Value: 1})
	}
	im, err := c.image.Apply(1, records)
	if err != nil {
		t.Fatal(err)
	}
	c.image = im
	for name, want := range map[string]error{"5": nil, "one more": kerr.InvalidRequest} {
		results, _ := c.alterClientQuotas(AlterClientQuotas{Entities: []QuotaChanges{userRate(name, 2)}})
		if got := results.([]error)[0]; !errors.Is(got, want) {
			t.Errorf("user %s: %v", name, got)
		}
	}
	again, err := NewImage().Apply(im.Index(), im.Records())
	if err != nil || again.Fingerprint() != im.Fingerprint() || again.Quotas().Len() != maxQuotaEntities {
		t.Errorf("a snapshot has %d entities, %v", again.Quotas().Len(), err)
	}
}
