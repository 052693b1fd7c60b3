package sasl

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

// scramState is what an exchange remembers between its two steps:
//
//	client                                server
//	n,,n=user,r=CNONCE               ->
//	                                 <-   r=CNONCE SNONCE,s=salt,i=iterations
//	c=biws,r=CNONCE SNONCE,p=proof   ->
//	                                 <-   v=signature
type scramState struct {
	first      clientFirst
	challenge  string // the server's first message
	nonce      string // both nonces
	credential Credential
}

// newNonce is 26 letters and digits, 130 bits.
func newNonce() string { return rand.Text() }

// scramFirst answers the client's first message. It answers for users that do not
// exist as for those that do.
func (e *Exchange) scramFirst(_ context.Context, token []byte) ([]byte, error) {
	first, err := parseClientFirst(token)
	if err != nil {
		return nil, err
	}
	e.user = first.user
	if first.authzid != "" && first.authzid != first.user {
		return nil, fmt.Errorf("%w: nobody may act for another user", ErrRefused)
	}
	c := e.server.find(first.user, e.mechanism)
	st := &e.scram
	st.first, st.credential, st.nonce = first, c, first.nonce+e.server.nonce()
	st.challenge = fmt.Sprintf("r=%s,s=%s,i=%d", st.nonce, base64.StdEncoding.EncodeToString(c.Salt), c.Iterations)
	e.next = e.scramFinal
	return []byte(st.challenge), nil
}

// scramFinal checks the proof in the client's last message and answers with ours.
//
// librdkafka before 2.6.1 sends its own nonce twice, so the nonce need only end as
// it should. That gives nothing away: our part of it is fresh, and the proof covers
// the message as it was sent.
func (e *Exchange) scramFinal(_ context.Context, token []byte) ([]byte, error) {
	final, err := parseClientFinal(token)
	if err != nil {
		return nil, err
	}
	st := &e.scram
	if final.binding != st.first.gs2 && final.binding != "n,," {
		return nil, fmt.Errorf("%w: the channel binding is not that of the first message", ErrMalformed)
	}
	if !strings.HasSuffix(final.nonce, st.nonce) {
		return nil, fmt.Errorf("%w: the nonce is not that of this exchange", ErrRefused)
	}
	m := e.mechanism
	message := st.first.bare + "," + st.challenge + "," + final.withoutProof
	signature := m.hmac(st.credential.StoredKey, message)
	if len(final.proof) != len(signature) {
		return nil, ErrRefused
	}
	clientKey := make([]byte, len(signature))
	subtle.XORBytes(clientKey, signature, final.proof)
	h := m.hash()()
	h.Write(clientKey)
	if subtle.ConstantTimeCompare(h.Sum(nil), st.credential.StoredKey) != 1 {
		return nil, ErrRefused
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(m.hmac(st.credential.ServerKey, message))), nil
}
