package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/meta"
	"github.com/millrace/millrace/log/internal/sasl"
)

// login is where a connection stands with SASL:
//
//	outside --SaslHandshake--> choosing --SaslAuthenticate...--> inside
//	                              ^                                 |
//	                              '----SaslHandshake (KIP-368)------'
//
// After version 0 of the handshake the tokens come in frames of their own, without
// a request's header, as they did before Kafka 1.0.
//
// Invariants:
//
//  1. The worker alone changes a login.
//  2. Until it was inside once, the reader takes the next frame only when the answer to
//     the one before has left. So what a stranger can make the broker hold is one
//     request or one answer, and the reader knows in time whether a frame is a request
//     or a token.
//  3. Who is inside stays who it is: renewing by another user or mechanism fails.
//  4. While it is renewed, nothing but SASL is served.
type login struct {
	b   *Broker
	how *Listener

	state    loginState
	raw      bool // tokens come without a header
	exchange *sasl.Exchange

	// What follows is of the last login that succeeded.
	user      string
	mechanism sasl.Mechanism
	since     time.Time
	expires   time.Time   // zero is never
	image     *meta.Image // in which user was last seen to exist
}

type loginState uint8

const (
	outside loginState = iota
	choosing
	inside
)

// The delay before a failed login is answered, Kafka's default for
// connection.failed.authentication.delay.ms, and the shortest time between renewals,
// as in Kafka. Both slow down guessing and nobody else.
const (
	failureDelay    = 100 * time.Millisecond
	shortestSession = time.Second
)

var (
	errSessionOver = errors.New("the authentication has expired and the client did not renew it")
	errUserGone    = errors.New("the user was deleted")
	errRenewing    = errors.New("a request in the middle of an authentication")
)

// newLogin is a login of a connection, or nil if the listener has no SASL.
func (b *Broker) newLogin(how *Listener) *login {
	if len(how.Mechanisms) == 0 {
		return nil
	}
	return &login{b: b, how: how}
}

// check refuses requests of who is not, or no longer, inside.
func (l *login) check(key int16, now time.Time) error {
	if key == keySaslHandshake || key == keySaslAuthenticate || key == keyApiVersions {
		return nil
	}
	switch {
	case l.state != inside:
		return errRenewing
	case !l.expires.IsZero() && now.After(l.expires):
		return errSessionOver
	}
	if im := l.b.image(); im != l.image {
		if !im.HasUser(l.user) {
			return fmt.Errorf("%w: %q", errUserGone, l.user)
		}
		l.image = im
	}
	return nil
}

// handshake takes the choice of a mechanism.
func (l *login) handshake(version int16, name, address string, now time.Time) *kerr.Error {
	if l.state == choosing || l.state == inside && (version == 0 || now.Sub(l.since) < shortestSession) {
		return kerr.IllegalSaslState // only frames with a header can renew
	}
	m, err := sasl.ParseMechanism(name)
	if err != nil || !slices.Contains(l.how.Mechanisms, m) || l.user != "" && m != l.mechanism {
		return kerr.UnsupportedSaslMechanism
	}
	l.state, l.raw, l.exchange = choosing, version == 0, l.b.sasl.BeginFrom(address, m)
	return nil
}

// step takes a token and returns what to answer to it. done is that the client is
// inside now. An error is the end of the connection.
func (l *login) step(ctx context.Context, token []byte, now time.Time) (challenge []byte, done bool, err error) {
	challenge, err = l.exchange.Step(ctx, token)
	if err != nil || !l.exchange.Done() {
		return challenge, false, err
	}
	if l.user != "" && l.user != l.exchange.User() {
		return nil, false, fmt.Errorf("%w: user %q cannot become %q on one connection", sasl.ErrRefused, l.user, l.exchange.User())
	}
	l.state, l.since = inside, now
	l.user, l.mechanism = l.exchange.User(), l.exchange.Mechanism()
	l.exchange, l.image, l.expires = nil, nil, time.Time{}
	if l.how.Session > 0 {
		l.expires = now.Add(l.how.Session)
	}
	return challenge, true, nil
}

// principal is who is inside.
func (l *login) principal() string { return "User:" + l.user }

// failed writes down that a login failed and takes its time. What a client is told
// never says whether it was the user or the password.
func (l *login) failed(ctx context.Context, caller *Caller, err error) string {
	user, m := l.exchange.User(), l.exchange.Mechanism()
	l.b.noteLogin(caller, err, "user", short(user), "by", m.String())
	pause := time.NewTimer(failureDelay)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	if errors.Is(err, sasl.ErrMalformed) {
		return err.Error()
	}
	return "Authentication failed: invalid credentials for mechanism " + m.String()
}

// rawToken handles a frame that is a token and nothing else. Such a client learns of
// a failure by the end of the connection.
func (w *worker) rawToken(ctx context.Context, token []byte) (reply, error) {
	challenge, done, err := w.login.step(ctx, token, time.Now())
	if unanswered := gaveUp(ctx, err); unanswered != nil {
		return reply{}, unanswered
	}
	if err != nil {
		w.login.failed(ctx, w.caller.Load(), err)
		return reply{}, errRawRefused
	}
	if done {
		w.entered(w.caller.Load().ClientID)
	}
	if challenge == nil {
		challenge = []byte{}
	}
	return reply{token: challenge}, nil
}

// gaveUp is why nobody knows whether a token was right: the client was gone, or its time
// was over, or there were too many others before it was looked at. It gets no answer
// then, because it would take that for a wrong password and not try again.
func gaveUp(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(err, sasl.ErrBusy):
		return err
	case cause == nil || !errors.Is(err, cause):
		return nil
	case cause == errArrival:
		return errNotInTime
	}
	return cause
}

var errNotInTime = errors.New("the time was over before the password could be checked: many clients authenticate with PLAIN at once; " +
	"SCRAM leaves the work to them")

var errRawRefused = errors.New("authentication failed")

// entered says who the client is now; clientID is for the log.
func (w *worker) entered(clientID string) {
	w.b.places.settle(w.place, w.login.user)
	if w.caller.Load().Principal == w.login.principal() {
		return // renewed
	}
	w.become(w.login.principal())
	caller := *w.caller.Load()
	caller.ClientID = clientID
	w.b.noteLogin(&caller, nil, "by", w.login.mechanism.String())
}

// credential finds a user's credential in the metadata.
func (b *Broker) credential(user string, m sasl.Mechanism) (sasl.Credential, bool) {
	r := b.image().ScramCredential(user, m)
	if r == nil {
		return sasl.Credential{}, false
	}
	return r.Credential, true
}

// decoySecret is what the salts of users who do not exist are made of: the id of the
// data directory, which no request tells and which stays.
func (b *Broker) decoySecret() []byte {
	if self := b.image().Broker(b.opts.NodeID); self != nil {
		return self.Directory[:]
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret)
	return secret
}

// loginProgress is what the reader must know of a login after each frame.
type loginProgress struct{ inside, raw bool }

// mechanismNames lists what a listener offers.
func (l *login) mechanismNames() []string {
	var names []string
	for _, m := range l.how.Mechanisms {
		names = append(names, m.String())
	}
	return names
}

// early reports whether a key may be asked before the client is inside.
func early(key int16) bool {
	return key == keyApiVersions || key == keySaslHandshake || key == keySaslAuthenticate
}

// errStranger refuses everything else.
func errStranger(key int16) error {
	return fmt.Errorf("a %s request before authentication: the listener demands SASL", kmsg.NameForKey(key))
}
