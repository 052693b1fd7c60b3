package log

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/sasl"
)

// HasUser reports whether there is a user who can authenticate by that name.
func (n *Node) HasUser(name string) bool { return n.meta.Image().HasUser(name) }

// hasUsers reports whether there is anybody who can authenticate.
func (n *Node) hasUsers() bool {
	for range n.meta.Image().ScramCredentials() {
		return true
	}
	return false
}

// AddUser makes a user who can authenticate with the password by every mechanism, if
// there is no user of that name; added tells whether there was none. The password of
// a user who is there stays what it is.
//
// It is how the first user of a cluster comes to be: whoever can call it has the node
// in his hands anyway. Later ones are made by AlterUserScramCredentials requests.
func (n *Node) AddUser(ctx context.Context, name, password string) (added bool, err error) {
	if err := sasl.CheckUser(name); err != nil {
		return false, fmt.Errorf("add user %q: %w", name, err)
	}
	if n.meta.Image().HasUser(name) {
		return false, nil
	}
	var records []meta.Record
	for _, m := range []sasl.Mechanism{sasl.ScramSHA256, sasl.ScramSHA512} {
		c, err := sasl.NewCredential(m, password, 0)
		if err != nil {
			return false, fmt.Errorf("add user %q: %w", name, err)
		}
		records = append(records, &meta.ScramCredential{User: name, Mechanism: m, Credential: c})
	}
	if err := n.meta.Propose(ctx, records...); err != nil {
		return false, fmt.Errorf("add user %q: %w", name, err)
	}
	return true, nil
}
