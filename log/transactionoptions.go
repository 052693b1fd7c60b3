package log

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/log/internal/txn"
)

// TransactionOptions is how transactions behave. The zero value means the defaults.
// What a node uses is among the configs of its broker, by Kafka's names.
type TransactionOptions struct {
	// MaxTimeout is the longest timeout that a transactional producer may ask for; one
	// that asks for more is answered INVALID_TRANSACTION_TIMEOUT (Kafka's
	// transaction.max.timeout.ms). 0 means 15 min.
	MaxTimeout time.Duration
	// Expiry is how long a transactional id is remembered that nobody uses
	// (transactional.id.expiration.ms); 0 means 7 days.
	Expiry time.Duration
}

func (t *TransactionOptions) check() error {
	if t.MaxTimeout < 0 || t.Expiry < 0 {
		return fmt.Errorf("Transactions.MaxTimeout is %v, Expiry %v: neither can be negative", t.MaxTimeout, t.Expiry)
	}
	return nil
}

func (t *TransactionOptions) config() txn.Config {
	return txn.Config{MaxTimeout: t.MaxTimeout, Expiry: t.Expiry}
}
