package txn

import "time"

// Config is how transactions behave. The zero value means the defaults, which are
// Kafka's unless it says otherwise.
type Config struct {
	// MaxTimeout bounds the transaction timeout a producer may ask for
	// (transaction.max.timeout.ms); 0 means 15 min.
	MaxTimeout time.Duration
	// Expiry is how long an idle transactional id is remembered
	// (transactional.id.expiration.ms); 0 means 7 days.
	Expiry time.Duration
	// Park is how long a request waits for a transaction of the same id to end before
	// it is answered CONCURRENT_TRANSACTIONS; 0 means 2 s, negative not at all. Kafka
	// does not wait. But a producer's next transaction usually begins while the markers
	// of its last one are being written, and a client that is refused sleeps for longer
	// than they take.
	Park time.Duration
	// RetryMin and RetryMax bound the pause before a marker that could not be written
	// is tried again; 0 means 20 ms and 1 s.
	RetryMin, RetryMax time.Duration
}

// maxParked bounds the requests that wait for one transaction.
const maxParked = 64

// WithDefaults is c with the defaults in the place of zeros.
func (c Config) WithDefaults() Config {
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.MaxTimeout, 15 * time.Minute},
		{&c.Expiry, 7 * 24 * time.Hour},
		{&c.Park, 2 * time.Second},
		{&c.RetryMin, 20 * time.Millisecond},
		{&c.RetryMax, time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}
