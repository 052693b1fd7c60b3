package log

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/internal/vfs"
)

// mechanisms are a client's for a user.
func mechanisms(user, password string) []sasl.Mechanism {
	return []sasl.Mechanism{
		plain.Auth{User: user, Pass: password}.AsMechanism(),
		scram.Auth{User: user, Pass: password}.AsSha256Mechanism(),
		scram.Auth{User: user, Pass: password}.AsSha512Mechanism(),
	}
}

// everyMechanism is also PLAIN without TLS.
var everyMechanism = &SASLOptions{Mechanisms: []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"}}

// saslNode is a node with a user anna, and what it logs.
func saslNode(t *testing.T, change ...func(*Options)) (*Node, *logged) {
	t.Helper()
	seen := newLogged()
	n := openNode(t, vfs.NewMem(), append([]func(*Options){func(o *Options) { o.Logger = seen.logger() }}, change...)...)
	if added, err := n.AddUser(t.Context(), "anna", "correct horse"); err != nil || !added {
		t.Fatal(added, err)
	}
	return n, seen
}

func TestSASL(t *testing.T) {
	a := newAuthority(t)
	n, seen := saslNode(t, func(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:anna"} })
	for _, l := range []ListenerOptions{{SASL: everyMechanism}, {SASL: &SASLOptions{}, TLS: a.server()}} {
		addr := serveOn(t, n, l)
		security := []kgo.Opt{kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
		if l.TLS != nil {
			security = append(security, kgo.DialTLSConfig(a.trusting()))
		}
		for _, m := range mechanisms("anna", "correct horse") {
			topic := strings.ToLower(l.Protocol() + "." + m.Name())
			cl := client(t, addr, append(security, kgo.SASL(m), kgo.ConsumeTopics(topic), kgo.AllowAutoTopicCreation())...)
			produce(t, cl, topic, "hello")
			if got := cl.PollFetches(within(t)).Records(); len(got) != 1 || string(got[0].Value) != "hello" {
				t.Errorf("%s: read %v", topic, got)
			}
		}
		for _, bad := range slices.Concat(mechanisms("anna", "battery staple"), mechanisms("nobody", "correct horse")) {
			err := client(t, addr, append(security, kgo.SASL(bad))...).Ping(within(t))
			if !errors.Is(err, kerr.SaslAuthenticationFailed) || !strings.Contains(err.Error(), "invalid credentials") {
				t.Errorf("%s %s: %v", l.Protocol(), bad.Name(), err)
			}
		}
		// Of many logins in a short time only some are logged: until it is, once more.
		for ctx := within(t); !seen.has("client authenticated", "principal=User:anna", "by=SCRAM-SHA-256", "listener="+l.Protocol()); {
			if err := client(t, addr, append(security, kgo.SASL(mechanisms("anna", "correct horse")[1]))...).Ping(ctx); err != nil {
				t.Fatalf("%v\n%s", err, seen)
			}
		}
		for ctx := within(t); !seen.has("level=WARN", "authentication failed", "user=nobody", "by=PLAIN", "listener="+l.Protocol(), "client=127.0.0.1"); {
			if err := client(t, addr, append(security, kgo.SASL(mechanisms("nobody", "x")[0]))...).Ping(ctx); !errors.Is(err, kerr.SaslAuthenticationFailed) {
				t.Fatalf("%v\n%s", err, seen)
			}
		}
	}
	for _, secret := range []string{"correct horse", "battery staple"} {
		if strings.Contains(seen.String(), secret) {
			t.Error("a password is in the log")
		}
	}
}

// TestHandshakeListsMechanisms also on success: 60 of kafkajs's tests fail on a
// broker that does not, because it looks for its own mechanism in the list.
func TestHandshakeListsMechanisms(t *testing.T) {
	n, _ := saslNode(t)
	w := dial(t, serveOn(t, n, ListenerOptions{SASL: &SASLOptions{Mechanisms: []string{"scram-sha-256", "PLAIN"}}}))
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	for _, c := range []struct {
		mechanism string
		code      int16
	}{{"GSSAPI", kerr.UnsupportedSaslMechanism.Code}, {"SCRAM-SHA-512", kerr.UnsupportedSaslMechanism.Code}, {"PLAIN", 0}, {"PLAIN", kerr.IllegalSaslState.Code}} {
		handshake.Mechanism = c.mechanism
		resp := ask[*kmsg.SASLHandshakeResponse](w, 1, handshake)
		if resp.ErrorCode != c.code || !slices.Equal(resp.SupportedMechanisms, []string{"SCRAM-SHA-256", "PLAIN"}) {
			t.Errorf("%s: error %d, %v", c.mechanism, resp.ErrorCode, resp.SupportedMechanisms)
		}
	}
	w = dial(t, serve(t, n)) // where nobody authenticates
	if resp := ask[*kmsg.SASLHandshakeResponse](w, 1, handshake); resp.ErrorCode != kerr.IllegalSaslState.Code {
		t.Errorf("without SASL: error %d", resp.ErrorCode)
	}
	if resp := ask[*kmsg.SASLAuthenticateResponse](w, 2, kmsg.NewPtrSASLAuthenticateRequest()); resp.ErrorCode != kerr.IllegalSaslState.Code {
		t.Errorf("without SASL: error %d", resp.ErrorCode)
	}
}

// enter authenticates by PLAIN on a connection.
func enter(w *wire, version int16, user, password string) *kmsg.SASLAuthenticateResponse {
	w.t.Helper()
	handshake := kmsg.NewPtrSASLHandshakeRequest()
	handshake.Mechanism = "PLAIN"
	if resp := ask[*kmsg.SASLHandshakeResponse](w, 1, handshake); resp.ErrorCode != 0 {
		w.t.Fatalf("handshake: error %d", resp.ErrorCode)
	}
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.SASLAuthBytes = []byte("\x00" + user + "\x00" + password)
	return ask[*kmsg.SASLAuthenticateResponse](w, version, req)
}

// TestNothingBeforeAuthentication: a stranger may ask three keys, in small frames.
func TestNothingBeforeAuthentication(t *testing.T) {
	n, seen := saslNode(t)
	addr := serveOn(t, n, ListenerOptions{SASL: everyMechanism})
	for _, req := range []kmsg.Request{kmsg.NewPtrMetadataRequest(), kmsg.NewPtrProduceRequest(), kmsg.NewPtrFetchRequest()} {
		w := dial(t, addr)
		if resp := ask[*kmsg.ApiVersionsResponse](w, 3, apiVersions()); resp.ErrorCode != 0 {
			t.Errorf("ApiVersions: error %d", resp.ErrorCode)
		}
		w.send(7, req)
		w.closed()
		seen.until(t, "before authentication", kmsg.NameForKey(req.Key()), "127.0.0.1")
	}
	large := dial(t, addr)
	if _, err := large.Write([]byte{0, 1, 0, 1, 0, 36, 0, 2, 0, 0, 0, 7}); err != nil { // 65 537 bytes of SaslAuthenticate
		t.Fatal(err)
	}
	large.closed()

	early := dial(t, addr)
	if resp := ask[*kmsg.SASLAuthenticateResponse](early, 2, kmsg.NewPtrSASLAuthenticateRequest()); resp.ErrorCode != kerr.IllegalSaslState.Code {
		t.Errorf("a token before the handshake: error %d", resp.ErrorCode)
	}
	early.closed()

	// What is sent behind a failed login is not looked at.
	w := dial(t, addr)
	if resp := enter(w, 2, "anna", "wrong"); resp.ErrorCode != kerr.SaslAuthenticationFailed.Code {
		t.Errorf("error %d", resp.ErrorCode)
	}
	w.closed()

	// Who is inside sends what it likes, in frames of any size.
	w = dial(t, addr)
	if resp := enter(w, 1, "anna", "correct horse"); resp.ErrorCode != 0 || resp.SessionLifetimeMillis != 0 {
		t.Errorf("%+v", resp)
	}
	req := kmsg.NewPtrMetadataRequest()
	for range 2000 {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = new(strings.Repeat("x", 100))
		req.Topics = append(req.Topics, rt)
	}
	req.AllowAutoTopicCreation = false
	ask[*kmsg.MetadataResponse](w, 9, req)
}

func apiVersions() *kmsg.ApiVersionsRequest {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "wire", "1"
	return req
}

// TestPipelinedLogin: a client may send its login and its first request in one go.
func TestPipelinedLogin(t *testing.T) {
	n, _ := saslNode(t)
	w := dial(t, serveOn(t, n, ListenerOptions{SASL: everyMechanism}))
	handshake, token, metadata := kmsg.NewPtrSASLHandshakeRequest(), kmsg.NewPtrSASLAuthenticateRequest(), kmsg.NewPtrMetadataRequest()
	handshake.Mechanism, token.SASLAuthBytes = "PLAIN", []byte("\x00anna\x00correct horse")
	w.send(1, handshake)
	w.send(2, token)
	w.send(9, metadata)
	for _, req := range []kmsg.Request{handshake, token, metadata} {
		if _, err := w.receive(req); err != nil {
			t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
		}
	}
}

// TestRawTokens: clients of the time before Kafka 1.0, and Sarama for long after it,
// send tokens without a request around them.
func TestRawTokens(t *testing.T) {
	n, _ := saslNode(t)
	addr := serveOn(t, n, ListenerOptions{SASL: everyMechanism})
	login := func(token string) *wire {
		w := dial(t, addr)
		handshake := kmsg.NewPtrSASLHandshakeRequest()
		handshake.Mechanism = "PLAIN"
		if resp := ask[*kmsg.SASLHandshakeResponse](w, 0, handshake); resp.ErrorCode != 0 {
			t.Fatalf("handshake: error %d", resp.ErrorCode)
		}
		if _, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(token))), token...)); err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := login("\x00anna\x00correct horse")
	var empty [4]byte
	if _, err := io.ReadFull(w, empty[:]); err != nil || empty != [4]byte{} {
		t.Fatalf("answered %x, %v", empty, err)
	}
	ask[*kmsg.MetadataResponse](w, 9, kmsg.NewPtrMetadataRequest())
	login("\x00anna\x00wrong").closed()
	login("").closed()
}

// TestReauthentication: a client that renews its session goes on producing on its
// connections, and one that does not is cut off.
func TestReauthentication(t *testing.T) {
	n, seen := saslNode(t)
	addr := serveOn(t, n, ListenerOptions{SASL: &SASLOptions{Mechanisms: everyMechanism.Mechanisms, Session: minSession}})
	w := dial(t, addr)
	if resp := enter(w, 1, "anna", "correct horse"); resp.ErrorCode != 0 || resp.SessionLifetimeMillis != minSession.Milliseconds() {
		t.Fatalf("%+v", resp)
	}
	cl := client(t, addr, kgo.SASL(mechanisms("anna", "correct horse")[2]), kgo.AllowAutoTopicCreation())
	logins := func() uint64 {
		for _, k := range n.broker.Stats().Keys {
			if k.Key == 17 {
				return k.Took.Count
			}
		}
		return 0
	}
	produce(t, cl, "clicks", "x")
	accepted := func() int64 { return n.broker.Stats().Listeners[0].Accepted }
	first, connections := logins(), accepted()
	for ctx := within(t); logins() < first+2; {
		produce(t, cl, "clicks", "x")
		if ctx.Err() != nil {
			t.Fatalf("after %d logins: %v", logins(), ctx.Err())
		}
	}
	if now := accepted(); now != connections {
		t.Errorf("%d connections became %d", connections, now)
	}
	for {
		w.send(9, kmsg.NewPtrMetadataRequest())
		if _, err := w.receive(kmsg.NewPtrMetadataRequest()); errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			break
		}
	}
	seen.until(t, "the authentication has expired")
}

// TestUsersOverTheWire makes, describes, changes and deletes users as admin tools do.
func TestUsersOverTheWire(t *testing.T) {
	n, seen := saslNode(t)
	addr := serveOn(t, n, ListenerOptions{SASL: everyMechanism})
	adm := kadm.NewClient(client(t, addr, kgo.SASL(mechanisms("anna", "correct horse")[1])))
	upsert := func(user, password string, m kadm.ScramMechanism) error {
		results, err := adm.AlterUserSCRAMs(within(t), nil, []kadm.UpsertSCRAM{{User: user, Password: password, Mechanism: m, Iterations: 4096}})
		return errors.Join(err, results.Error())
	}
	if err := upsert("bob", "builder", kadm.ScramSha256); err != nil {
		t.Fatal(err)
	}
	bob := dial(t, addr)
	if resp := enter(bob, 2, "bob", "builder"); resp.ErrorCode != 0 {
		t.Fatalf("error %d", resp.ErrorCode)
	}
	described, err := adm.DescribeUserSCRAMs(within(t))
	if err != nil || len(described) != 2 || len(described["anna"].CredInfos) != 2 || len(described["bob"].CredInfos) != 1 ||
		described["bob"].CredInfos[0].Iterations != 4096 || described["bob"].CredInfos[0].Mechanism != kadm.ScramSha256 {
		t.Errorf("%+v, %v", described, err)
	}
	if described, err = adm.DescribeUserSCRAMs(within(t), "eve"); err != nil || !errors.Is(described["eve"].Err, kerr.ResourceNotFound) {
		t.Errorf("%+v, %v", described, err)
	}
	if err := upsert("eve", "", kadm.ScramSha256); err == nil {
		t.Error("a user without a password")
	}

	// A new password does not end what came in with the old one.
	if err := upsert("bob", "destroyer", kadm.ScramSha256); err != nil {
		t.Fatal(err)
	}
	ask[*kmsg.MetadataResponse](bob, 9, kmsg.NewPtrMetadataRequest())
	if resp := enter(dial(t, addr), 2, "bob", "builder"); resp.ErrorCode != kerr.SaslAuthenticationFailed.Code {
		t.Errorf("the old password: error %d", resp.ErrorCode)
	}

	results, err := adm.AlterUserSCRAMs(within(t), []kadm.DeleteSCRAM{{User: "bob", Mechanism: kadm.ScramSha256}, {User: "eve", Mechanism: kadm.ScramSha512}}, nil)
	if err != nil || results["bob"].Err != nil || !errors.Is(results["eve"].Err, kerr.ResourceNotFound) {
		t.Errorf("%+v, %v", results, err)
	}
	bob.send(9, kmsg.NewPtrMetadataRequest())
	bob.closed()
	seen.until(t, "the user was deleted")
	if resp := enter(dial(t, addr), 2, "bob", "destroyer"); resp.ErrorCode != kerr.SaslAuthenticationFailed.Code {
		t.Errorf("a deleted user: error %d", resp.ErrorCode)
	}
}

// TestUsersStay over a restart, and the first user is made once.
func TestUsersStay(t *testing.T) {
	fs := vfs.NewMem()
	n := openNode(t, fs)
	if _, err := n.AddUser(t.Context(), "anna", "one"); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][2]string{{"", "x"}, {"a\nb", "x"}, {"bob", ""}} {
		if _, err := n.AddUser(t.Context(), bad[0], bad[1]); err == nil {
			t.Errorf("%q is a user", bad)
		}
	}
	closeNode(t, n)
	n = openNode(t, fs)
	if added, err := n.AddUser(t.Context(), "anna", "two"); added || err != nil || !n.HasUser("anna") || n.HasUser("bob") {
		t.Fatal(added, err)
	}
	addr := serveOn(t, n, ListenerOptions{SASL: everyMechanism})
	if resp := enter(dial(t, addr), 2, "anna", "two"); resp.ErrorCode == 0 {
		t.Error("the password was changed")
	}
	if resp := enter(dial(t, addr), 2, "anna", "one"); resp.ErrorCode != 0 {
		t.Errorf("error %d", resp.ErrorCode)
	}
}

// TestUsersNeedRights: who may not ALTER or DESCRIBE the cluster makes no users and
// sees none.
func TestUsersNeedRights(t *testing.T) {
	n, _ := saslNode(t, func(o *Options) { o.Authorize, o.SuperUsers = true, []string{"User:boss"} })
	addr := serveOn(t, n, ListenerOptions{SASL: everyMechanism})
	adm := kadm.NewClient(client(t, addr, kgo.SASL(mechanisms("anna", "correct horse")[0])))
	results, err := adm.AlterUserSCRAMs(within(t), nil, []kadm.UpsertSCRAM{{User: "anna2", Password: "x", Mechanism: kadm.ScramSha512, Iterations: 8192}})
	if err = errors.Join(err, results.Error()); !errors.Is(err, kerr.ClusterAuthorizationFailed) || n.HasUser("anna2") {
		t.Errorf("%v", err)
	}
	if described, err := adm.DescribeUserSCRAMs(within(t)); err == nil || len(described) > 0 {
		t.Errorf("%v, %v", described, err)
	}
}

// TestKcat: the client of Debian, with librdkafka 2.0.2 and its doubled nonce.
func TestKcat(t *testing.T) {
	kcat, err := exec.LookPath("kcat")
	if err != nil {
		t.Skip("kcat is not installed")
	}
	a := newAuthority(t)
	n, _ := saslNode(t)
	addr := serveOn(t, n, ListenerOptions{SASL: &SASLOptions{}, TLS: a.server()})
	run := func(mechanism, password, stdin string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c := exec.CommandContext(ctx, kcat, append(args, "-b", addr, "-X", "security.protocol=sasl_ssl", "-X", "ssl.ca.location="+a.path("ca.pem"),
			"-X", "sasl.mechanism="+mechanism, "-X", "sasl.username=anna", "-X", "sasl.password="+password)...)
		c.Stdin = strings.NewReader(stdin)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		if out, err := run(m, "correct horse", "from "+m+"\n", "-P", "-t", "clicks"); err != nil {
			t.Errorf("%s: %v\n%s", m, err, out)
		}
	}
	out, err := run("SCRAM-SHA-512", "correct horse", "", "-C", "-q", "-e", "-t", "clicks")
	if err != nil || strings.Count(out, "from ") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run("SCRAM-SHA-256", "wrong", "", "-L", "-m", "2"); err == nil {
		t.Errorf("let in with a wrong password:\n%s", out)
	}
}

// TestNobodyCanComeIn: a node with SASL and without any user started without a word, and
// refused everybody from then on.
func TestNobodyCanComeIn(t *testing.T) {
	const said = "nobody can authenticate yet"
	seen := newLogged()
	n := openNode(t, vfs.NewMem(), func(o *Options) { o.Logger = seen.logger() })
	serveOn(t, n, ListenerOptions{})
	if strings.Contains(seen.String(), said) {
		t.Error("of a listener without SASL")
	}
	serveOn(t, n, ListenerOptions{SASL: everyMechanism})
	if !strings.Contains(seen.String(), said) {
		t.Errorf("not said: %s", seen.String())
	}
	n, seen = saslNode(t)
	serveOn(t, n, ListenerOptions{SASL: everyMechanism})
	if strings.Contains(seen.String(), said) {
		t.Error("of a node with a user")
	}
}
