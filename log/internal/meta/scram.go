package meta

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/internal/sasl"
)

// ScramCredential sets or removes what a user authenticates with by one mechanism.
// It holds keys that were made of a password, never the password.
type ScramCredential struct {
	User      string
	Mechanism sasl.Mechanism
	sasl.Credential
	Remove bool // the credential is then empty
	Tags   []Tag
}

// Type is TypeScramCredential.
func (*ScramCredential) Type() RecordType { return TypeScramCredential }

func (r *ScramCredential) encode(e *encoder) {
	e.string(r.User)
	e.varint(int64(r.Mechanism))
	e.string(string(r.Salt))
	e.string(string(r.StoredKey))
	e.string(string(r.ServerKey))
	e.varint(int64(r.Iterations))
	e.bool(r.Remove)
	e.tags(r.Tags)
}

func (r *ScramCredential) decode(d *decoder) {
	r.User = d.string()
	r.Mechanism = sasl.Mechanism(d.ranged(0, 127))
	r.Salt = d.bytes()
	r.StoredKey = d.bytes()
	r.ServerKey = d.bytes()
	r.Iterations = int(d.int32())
	r.Remove = d.bool()
	r.Tags = d.tags()
}

// GoString keeps keys out of what formats records.
func (r *ScramCredential) GoString() string {
	return fmt.Sprintf("ScramCredential{%q %v, remove %v}", r.User, r.Mechanism, r.Remove)
}

// String is GoString.
func (r *ScramCredential) String() string { return r.GoString() }

// bytes is a string as bytes, nil if it is empty.
func (d *decoder) bytes() []byte {
	if s := d.string(); s != "" {
		return []byte(s)
	}
	return nil
}

// credentialKey orders credentials by user.
type credentialKey struct {
	user      string
	mechanism sasl.Mechanism
}

func compareCredentialKeys(a, b credentialKey) int {
	return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.mechanism, b.mechanism))
}

// ScramCredential is a user's credential for a mechanism, or nil.
func (im *Image) ScramCredential(user string, m sasl.Mechanism) *ScramCredential {
	r, _ := im.credentials.get(credentialKey{user, m})
	return r
}

// ScramCredentials are those of all users, by user.
func (im *Image) ScramCredentials() iter.Seq[*ScramCredential] { return values(im.credentials) }

// HasUser reports whether the user can authenticate by any mechanism.
func (im *Image) HasUser(user string) bool {
	return im.ScramCredential(user, sasl.ScramSHA512) != nil || im.ScramCredential(user, sasl.ScramSHA256) != nil
}

// SameUsers reports whether no credential of anybody was changed between two images.
func (im *Image) SameUsers(other *Image) bool { return im.credentials.root == other.credentials.root }

func (b *batch) applyScramCredential(r *ScramCredential) error {
	key := credentialKey{r.User, r.Mechanism}
	if !r.Remove {
		b.credentials = b.credentials.set(key, r)
		return nil
	}
	if _, ok := b.credentials.get(key); !ok {
		return fmt.Errorf("%w: user %q has no credential to remove", ErrInvalidRecord, r.User)
	}
	b.credentials = b.credentials.remove(key)
	return nil
}

// maxCredentials bounds the credentials of all users.
const maxCredentials = 100_000

// AlterUserScramCredentials removes and sets credentials of users (KIP-554), each
// user for itself: all changes of a user or none. The answer is a []UserResult, the
// users in the order in which they are first named, deletions before upsertions.
type AlterUserScramCredentials struct {
	Deletions  []ScramDeletion
	Upsertions []ScramUpsertion
}

// ScramDeletion removes a user's credential for a mechanism.
type ScramDeletion struct {
	User      string
	Mechanism sasl.Mechanism
}

// ScramUpsertion sets a user's credential for a mechanism, to a password that whoever
// asks has salted and hashed.
type ScramUpsertion struct {
	User           string
	Mechanism      sasl.Mechanism
	Salt           []byte
	SaltedPassword []byte
	Iterations     int
}

// UserResult is what became of a user's changes: Err is nil or a *Refusal.
type UserResult struct {
	User string
	Err  error
}

// AlterUserScramCredentials changes credentials.
func (m *Meta) AlterUserScramCredentials(ctx context.Context, req AlterUserScramCredentials) ([]UserResult, error) {
	return ask[[]UserResult](ctx, m, req)
}

// userChanges gathers the changes of one request by user.
type userChanges struct {
	results []UserResult
	index   map[string]int
	records map[string][]Record
	named   map[credentialKey]bool
}

// add takes a change of a user's, or why there is none.
func (u *userChanges) add(key credentialKey, r *ScramCredential, err *Refusal) {
	i, ok := u.index[key.user]
	if !ok {
		i = len(u.results)
		u.index[key.user] = i
		u.results = append(u.results, UserResult{User: key.user})
	}
	if err == nil && u.named[key] {
		err = refuse(kerr.DuplicateResource, "a credential is changed twice in one request")
	}
	u.named[key] = true
	if err != nil && u.results[i].Err == nil {
		u.results[i].Err = err
	}
	u.records[key.user] = append(u.records[key.user], r)
}

// alterScramCredentials decides on changes of credentials.
func (c *Controller) alterScramCredentials(req AlterUserScramCredentials) (any, []Record) {
	u := userChanges{index: map[string]int{}, records: map[string][]Record{}, named: map[credentialKey]bool{}}
	for _, d := range req.Deletions {
		key := credentialKey{d.User, d.Mechanism}
		u.add(key, &ScramCredential{User: d.User, Mechanism: d.Mechanism, Remove: true}, c.checkScramDeletion(key))
	}
	added := 0
	for _, up := range req.Upsertions {
		key := credentialKey{up.User, up.Mechanism}
		credential, err := checkScramUpsertion(up)
		if _, there := c.image.credentials.get(key); !there {
			if added++; err == nil && c.image.credentials.len()+added > maxCredentials {
				err = refuse(kerr.PolicyViolation, "there are %d credentials already: delete some", c.image.credentials.len())
			}
		}
		u.add(key, &ScramCredential{User: up.User, Mechanism: up.Mechanism, Credential: credential}, err)
	}
	var records []Record
	for _, r := range u.results {
		if r.Err == nil {
			records = append(records, u.records[r.User]...)
		}
	}
	return u.results, records
}

func (c *Controller) checkScramDeletion(key credentialKey) *Refusal {
	_, there := c.image.credentials.get(key)
	switch {
	case key.user == "":
		return refuse(kerr.UnacceptableCredential, "the user name is empty")
	case !key.mechanism.Scram():
		return refuse(kerr.UnsupportedSaslMechanism, "there is no SCRAM mechanism %d", int8(key.mechanism))
	case !there:
		return refuse(kerr.ResourceNotFound, "user %q has no %v credential to delete", key.user, key.mechanism)
	}
	return nil
}

func checkScramUpsertion(up ScramUpsertion) (sasl.Credential, *Refusal) {
	if err := sasl.CheckUser(up.User); err != nil {
		return sasl.Credential{}, refuse(kerr.UnacceptableCredential, "%v", err)
	}
	if !up.Mechanism.Scram() {
		return sasl.Credential{}, refuse(kerr.UnsupportedSaslMechanism, "there is no SCRAM mechanism %d", int8(up.Mechanism))
	}
	// The request's bytes are the caller's.
	c, err := sasl.FromSalted(up.Mechanism, up.SaltedPassword, bytes.Clone(up.Salt), up.Iterations)
	if err != nil {
		return sasl.Credential{}, refuse(kerr.UnacceptableCredential, "%v", err)
	}
	return c, nil
}
