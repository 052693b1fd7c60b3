package quota

import (
	"math"
	"sync"
	"time"
)

// MaxThrottle is the longest that anybody is made to wait, and the deepest that
// anybody gets into debt: the time after which most clients give a request up. A
// client that ignores it is no faster for that, since the debt stays.
const MaxThrottle = 30 * time.Second

// maxRequestThrottle is how long request_percentage alone makes wait, as in Kafka: it
// is a measurement, and a window of a second is what it can vouch for.
const maxRequestThrottle = time.Second

// burst is how many seconds' worth of its rate a client that was silent may use at
// once: the ten whole windows of a second that Kafka averages over.
const burst = 10

// maxBuckets bounds what a Limiter remembers of clients. Beyond it those that it does
// not know yet share one bucket per key, so that inventing client ids buys nothing.
const maxBuckets = 10_000

// Limiter measures what clients use. The zero value is ready; it may be used
// concurrently.
//
// Kafka averages over eleven samples of a second, and lets a client wait until the
// average is at its limit again: X = (O-T)/T*W, for an observed rate O, a limit T and
// a window W. With O*W used in the window that is used/T - W: what was used beyond W
// seconds' worth, divided by the rate. A bucket of W seconds' worth of tokens that
// refills at the rate gives the same wait, with two numbers instead of eleven samples,
// and without the jump when a sample leaves the window. KIP-599 chose it for
// controller mutations for that reason; here it serves all keys.
//
//  1. A bucket holds at most burst seconds of its rate, and owes at most MaxThrottle.
//  2. A bucket that is full says what no bucket says, so it may be forgotten.
//  3. What is over the limit is charged too: the wait makes up for it.
type Limiter struct {
	mu      sync.Mutex
	buckets map[bucketKey]*bucket // guarded by mu
	swept   time.Time             // guarded by mu
}

type bucketKey struct {
	key    Key
	client Client
}

// bucket is what a client may still use, as it was at a moment.
type bucket struct {
	tokens float64
	rate   float64
	at     time.Time
}

// refill brings the bucket to now, at the rate that the client has now.
func (b *bucket) refill(now time.Time, rate float64) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens += passed * b.rate
		b.at = now
	}
	b.rate = rate
	b.tokens = max(min(b.tokens, burst*rate), -MaxThrottle.Seconds()*rate)
}

// wait is how long until the bucket owes nothing.
func (b *bucket) wait(key Key) time.Duration {
	if b.tokens >= 0 && b.rate > 0 {
		return 0
	}
	longest := MaxThrottle
	if key == RequestPercentage || key == ConnectionCreationRate {
		longest = maxRequestThrottle
	}
	seconds := -b.tokens / b.rate
	if math.IsNaN(seconds) || seconds >= longest.Seconds() { // a rate of 0 allows nothing
		return longest
	}
	return time.Duration(math.Ceil(seconds*1000)) * time.Millisecond
}

// Charge notes that a client has used amount, and returns how long it has to wait
// before it may go on, in whole milliseconds; 0 if it is within its limit or has none.
func (l *Limiter) Charge(t *Table, key Key, c Client, amount float64) time.Duration {
	rate, shared, ok := t.Find(key, c)
	if !ok {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(bucketKey{key, shared}, rate)
	b.tokens = max(b.tokens-amount, -MaxThrottle.Seconds()*rate)
	return b.wait(key)
}

// Admit is Charge for what can be refused: it charges only a client that owes nothing,
// and else returns how long it has to wait until it may try again.
func (l *Limiter) Admit(t *Table, key Key, c Client, amount float64) (wait time.Duration) {
	rate, shared, ok := t.Find(key, c)
	if !ok {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(bucketKey{key, shared}, rate)
	if wait = b.wait(key); wait == 0 {
		b.tokens -= amount
	}
	return wait
}

// Refund takes back a charge for something that did not happen.
func (l *Limiter) Refund(t *Table, key Key, c Client, amount float64) {
	if rate, shared, ok := t.Find(key, c); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		b := l.bucket(bucketKey{key, shared}, rate)
		b.tokens = min(b.tokens+amount, burst*rate)
	}
}

// Most is the largest amount that a client can use at once without having to wait
// longer than its burst is worth; false if it has no limit.
func (t *Table) Most(key Key, c Client) (float64, bool) {
	rate, _, ok := t.Find(key, c)
	return rate * burst, ok
}

// bucket is a client's bucket as of now; with mu held.
func (l *Limiter) bucket(k bucketKey, rate float64) *bucket {
	now := time.Now()
	b := l.buckets[k]
	if b == nil {
		if l.buckets == nil {
			l.buckets = map[bucketKey]*bucket{}
		}
		if len(l.buckets) >= maxBuckets && !l.sweep(now) {
			k.client = Client{}
			b = l.buckets[k]
		}
	}
	if b == nil {
		b = &bucket{tokens: burst * rate, at: now}
		l.buckets[k] = b
	}
	b.refill(now, rate)
	return b
}

// sweep forgets full buckets, at most once a second, and reports whether there is
// room; with mu held.
func (l *Limiter) sweep(now time.Time) bool {
	if now.Sub(l.swept) >= time.Second {
		l.swept = now
		for k, b := range l.buckets {
			if b.refill(now, b.rate); b.tokens >= burst*b.rate {
				delete(l.buckets, k)
			}
		}
	}
	return len(l.buckets) < maxBuckets
}
