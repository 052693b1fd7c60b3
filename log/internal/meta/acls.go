package meta

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/acl"
)

// ACL adds an access control entry, or removes it.
type ACL struct {
	ID ID
	// Entry is what is added; that of a removal is empty.
	Entry  acl.Entry
	Remove bool
	Tags   []Tag
}

// Type is TypeACL.
func (*ACL) Type() RecordType { return TypeACL }

func (r *ACL) encode(e *encoder) {
	e.id(r.ID)
	e.varint(int64(r.Entry.Resource))
	e.string(r.Entry.Name)
	e.varint(int64(r.Entry.Pattern))
	e.string(r.Entry.Principal)
	e.string(r.Entry.Host)
	e.varint(int64(r.Entry.Operation))
	e.varint(int64(r.Entry.Permission))
	e.bool(r.Remove)
	e.tags(r.Tags)
}

func (r *ACL) decode(d *decoder) {
	r.ID = d.id()
	r.Entry.Resource = acl.ResourceType(d.ranged(0, 127))
	r.Entry.Name = d.string()
	r.Entry.Pattern = acl.PatternType(d.ranged(0, 127))
	r.Entry.Principal = d.string()
	r.Entry.Host = d.string()
	r.Entry.Operation = acl.Operation(d.ranged(0, 127))
	r.Entry.Permission = acl.Permission(d.ranged(0, 127))
	r.Remove = d.bool()
	r.Tags = d.tags()
}

// aclSet are the entries of an image. Its trees share what did not change with those of
// other images; the index is built when somebody first asks, so that a log of ten
// thousand changes is not replayed by building as many.
type aclSet struct {
	ids     tree[ID, *ACL]
	entries tree[acl.Entry, *ACL]

	once  sync.Once
	index *acl.Index
}

func newACLSet() *aclSet {
	return &aclSet{ids: newTree[ID, *ACL](compareIDs), entries: newTree[acl.Entry, *ACL](acl.Entry.Compare)}
}

// with is s and an entry more, without says with one less.
func (s *aclSet) with(r *ACL) *aclSet {
	return &aclSet{ids: s.ids.set(r.ID, r), entries: s.entries.set(r.Entry, r)}
}

func (s *aclSet) without(r *ACL) *aclSet {
	return &aclSet{ids: s.ids.remove(r.ID), entries: s.entries.remove(r.Entry)}
}

// ACLs is the index of all access control entries.
func (im *Image) ACLs() *acl.Index {
	s := im.acls
	s.once.Do(func() {
		entries := make([]acl.Entry, 0, s.entries.len())
		for e := range s.entries.all() {
			entries = append(entries, e)
		}
		s.index = acl.NewIndex(entries)
	})
	return s.index
}

func (b *batch) applyACL(r *ACL) error {
	old, known := b.acls.ids.get(r.ID)
	if r.Remove {
		if !known {
			return fmt.Errorf("%w: unknown ACL %s is removed", ErrInvalidRecord, r.ID)
		}
		b.acls = b.acls.without(old)
		return nil
	}
	if err := r.Entry.Check(); err != nil {
		return fmt.Errorf("%w: ACL %s: %w", ErrInvalidRecord, r.ID, err)
	}
	if _, twice := b.acls.entries.get(r.Entry); known || twice {
		return fmt.Errorf("%w: ACL %s is added twice", ErrInvalidRecord, r.ID)
	}
	b.acls = b.acls.with(r)
	return nil
}

// CreateACLs adds entries, each for itself; one that is there already is no error. The
// answer is a []error in the same order, of nil or *Refusal.
type CreateACLs struct{ Entries []acl.Entry }

// DeleteACLs removes entries. The answer is a []ACLDeletion, one for each filter.
type DeleteACLs struct{ Filters []acl.Filter }

// ACLDeletion is what became of one filter.
type ACLDeletion struct {
	// Err is nil or a *Refusal.
	Err error
	// Deleted are the entries that the filter selected, in order.
	Deleted []acl.Entry
}

// CreateACLs adds access control entries. The errors are in the order of the request.
func (m *Meta) CreateACLs(ctx context.Context, req CreateACLs) ([]error, error) {
	return ask[[]error](ctx, m, req)
}

// DeleteACLs removes access control entries. The results are in the order of the
// request.
func (m *Meta) DeleteACLs(ctx context.Context, req DeleteACLs) ([]ACLDeletion, error) {
	return ask[[]ACLDeletion](ctx, m, req)
}

// defaultMaxACLs bounds the access control entries. An index of so many takes some 50 ms
// to build after each change and 20 MB.
const defaultMaxACLs = 50_000

// createACLs decides on new entries.
func (c *Controller) createACLs(req CreateACLs) (any, []Record) {
	results := make([]error, len(req.Entries))
	var records []Record
	acls := c.image.acls
	for i, e := range req.Entries {
		if err := e.Check(); err != nil {
			results[i] = refuse(kerr.InvalidRequest, "%v", err)
			continue
		}
		if _, there := acls.entries.get(e); there {
			continue
		}
		if acls.entries.len() >= c.opts.MaxACLs {
			results[i] = refuse(kerr.PolicyViolation, "there are %d ACLs already: delete some, or use prefixes", acls.entries.len())
			continue
		}
		r := &ACL{ID: NewID(c.opts.Source), Entry: e}
		acls, records = acls.with(r), append(records, r)
	}
	return results, records
}

// deleteACLs decides on removals. An entry that two filters select is in both answers.
func (c *Controller) deleteACLs(req DeleteACLs) (any, []Record) {
	results := make([]ACLDeletion, len(req.Filters))
	var records []Record
	removed := map[ID]bool{}
	for i := range req.Filters {
		f := &req.Filters[i]
		if err := f.Check(); err != nil {
			results[i].Err = refuse(kerr.InvalidRequest, "%v", err)
			continue
		}
		for e, r := range c.image.acls.entries.all() {
			if !f.Matches(e) {
				continue
			}
			results[i].Deleted = append(results[i].Deleted, e)
			if !removed[r.ID] {
				removed[r.ID] = true
				records = append(records, &ACL{ID: r.ID, Remove: true})
			}
		}
	}
	return results, records
}
