package meta

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/quota"
)

// ClientQuota sets or removes one quota of an entity (KIP-546).
type ClientQuota struct {
	Entity quota.Entity
	Key    quota.Key
	Value  float64 // 0 for a removal
	Remove bool
	Tags   []Tag
}

// Type is TypeClientQuota.
func (*ClientQuota) Type() RecordType { return TypeClientQuota }

func (r *ClientQuota) encode(e *encoder) {
	encodeList(e, r.Entity.Types(), func(kind string) {
		name, isNamed := r.Entity.Part(kind).Get()
		e.string(kind)
		e.bool(!isNamed)
		e.string(name)
	})
	e.string(string(r.Key))
	e.b = binary.BigEndian.AppendUint64(e.b, math.Float64bits(r.Value))
	e.bool(r.Remove)
	e.tags(r.Tags)
}

func (r *ClientQuota) decode(d *decoder) {
	decodeList(d, 3, func() struct{} {
		kind, standard, name := d.string(), d.bool(), d.string()
		part := r.Entity.Part(kind)
		switch {
		case part == nil || part.IsSet() || standard && name != "":
			d.fail("no part of an entity")
		case standard:
			*part = quota.Default
		default:
			*part = quota.Named(name)
		}
		return struct{}{}
	})
	r.Key = quota.Key(d.string())
	if len(d.b) < 8 {
		d.fail("no number")
		return
	}
	r.Value = math.Float64frombits(binary.BigEndian.Uint64(d.b))
	d.b = d.b[8:]
	if math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
		d.fail("not a finite number")
	}
	r.Remove, r.Tags = d.bool(), d.tags()
}

// Quotas are all client quotas; nil if none is set.
func (im *Image) Quotas() *quota.Table { return im.quotas }

// maxQuotaEntities bounds the entities that have quotas.
const maxQuotaEntities = 10_000

func (b *batch) applyClientQuota(r *ClientQuota) error {
	if err := r.Entity.Check(); err != nil {
		return fmt.Errorf("%w: quota: %w", ErrInvalidRecord, err)
	}
	b.quotas = append(b.quotas, quota.Change{Entity: r.Entity, Key: r.Key, Value: r.Value, Remove: r.Remove})
	return nil
}

// quotaRecords are what makes the quotas of an image.
func (im *Image) quotaRecords() []Record {
	var rs []Record
	for e := range im.quotas.All() {
		for key, value := range im.quotas.Values(e) {
			rs = append(rs, &ClientQuota{Entity: e, Key: key, Value: value})
		}
	}
	return rs
}

// AlterClientQuotas changes quotas, the entities each for itself. The answer is a
// []error in the same order, of nil or *Refusal.
type AlterClientQuotas struct {
	Entities []QuotaChanges
	// ValidateOnly answers as if, and does nothing.
	ValidateOnly bool
}

// QuotaChanges are changes of one entity's quotas, all or none.
type QuotaChanges struct {
	Entity  quota.Entity
	Changes []QuotaChange
}

// QuotaChange sets or removes one quota. No key may be changed twice. To remove what
// nobody has is no error, whatever its name.
type QuotaChange struct {
	Key    quota.Key
	Value  float64
	Remove bool
}

// AlterClientQuotas changes quotas. The errors are in the order of the request.
func (m *Meta) AlterClientQuotas(ctx context.Context, req AlterClientQuotas) ([]error, error) {
	return ask[[]error](ctx, m, req)
}

// alterClientQuotas decides on changes of quotas.
func (c *Controller) alterClientQuotas(req AlterClientQuotas) (any, []Record) {
	results := make([]error, len(req.Entities))
	seen := map[quota.Entity]bool{}
	entities := c.image.quotas.Len()
	var all []Record
	for i, change := range req.Entities {
		records, err := c.changedQuotas(change)
		switch {
		case seen[change.Entity]:
			err = refuse(kerr.InvalidRequest, "%v is changed twice", change.Entity)
		case err == nil && entities+len(seen) >= maxQuotaEntities && len(records) > 0 && !c.hasQuotas(change.Entity):
			err = refuse(kerr.InvalidRequest, "%d entities have quotas: remove some, or use defaults", maxQuotaEntities)
		}
		seen[change.Entity] = true
		if err != nil {
			results[i] = err
			continue
		}
		all = append(all, records...)
	}
	if req.ValidateOnly {
		all = nil
	}
	return results, all
}

func (c *Controller) hasQuotas(e quota.Entity) bool {
	for range c.image.quotas.Values(e) {
		return true
	}
	return false
}

// changedQuotas are the records of one entity's changes: none for what is so already.
func (c *Controller) changedQuotas(change QuotaChanges) ([]Record, error) {
	if err := change.Entity.Check(); err != nil {
		return nil, refuse(kerr.InvalidRequest, "%v", err)
	}
	seen := map[quota.Key]bool{}
	for _, ch := range change.Changes {
		if seen[ch.Key] {
			return nil, refuse(kerr.InvalidRequest, "%s of %v is changed twice", ch.Key, change.Entity)
		}
		seen[ch.Key] = true
		if ch.Remove {
			continue
		}
		if err := change.Entity.CheckValue(ch.Key, ch.Value); err != nil {
			return nil, refuse(kerr.InvalidRequest, "%v", err)
		}
	}
	var records []Record
	for _, ch := range change.Changes {
		old, set := c.image.quotas.Get(change.Entity, ch.Key)
		if ch.Remove && !set || !ch.Remove && set && old == ch.Value {
			continue
		}
		r := &ClientQuota{Entity: change.Entity, Key: ch.Key, Value: ch.Value, Remove: ch.Remove}
		if r.Remove {
			r.Value = 0
		}
		records = append(records, r)
	}
	return records, nil
}
