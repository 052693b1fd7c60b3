package cli

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAUserForNobody: a user and a password were given for a listener without
// authentication, and the answer spoke of a wrong password.
func TestAUserForNobody(t *testing.T) {
	addr, _ := server(t, t.TempDir())
	t.Setenv("MILLRACE_PASSWORD", "secret")
	millrace(t, "", "topic", "list", "--brokers", addr, "--user", "anna").want(t, 1, "asks for no user", "leave out --user")
}

// TestRefusals: whatever was wrong with a connection, the answer was that it may want
// TLS, a certificate or a user, and to add or leave out all flags there are. It says
// which of them now.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"certs", "other"} {
		millrace(t, "", "cert", "init", "--dir", at(name)).want(t, 0)
	}
	right, wrong := file(t, "right", "correct horse"), file(t, "wrong", "battery staple")
	plain, mutual, secret, open := freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)
	start(t, "server", "--data", at("data"), "--admin-listen", "none", "--listen", plain, "--listen", "ssl://"+mutual+"?client-cert=require",
		"--listen", "sasl_ssl://"+secret+"?client-cert=none", "--listen", "sasl_plaintext://"+open,
		"--tls-cert", at("certs/server.pem"), "--tls-key", at("certs/server.key"), "--tls-client-ca", at("certs/ca.pem"),
		"--first-user", "anna", "--first-user-password-file", right).until(t, "listening on")
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	web.Start()
	t.Cleanup(web.Close)
	strict, err := net.Listen("tcp", "127.0.0.1:0") // a web server that does not wait for the end of a line
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = strict.Close() })
	go func() {
		for {
			nc, err := strict.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(nc, make([]byte, 4))
			_, _ = io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
			defer nc.Close()
		}
	}()
	ca, anna := []string{"--tls-ca", at("certs/ca.pem")}, []string{"--user", "anna", "--password-file", right}
	own := func(dir string) []string {
		return []string{"--tls-cert", at(dir + "/client.pem"), "--tls-key", at(dir + "/client.key")}
	}
	for name, c := range map[string]struct {
		addr  string
		args  [][]string
		texts []string
	}{
		"no client certificate":             {mutual, [][]string{ca}, []string{"demands a certificate", "--tls-cert FILE"}},
		"a client certificate of another":   {mutual, [][]string{ca, own("other")}, []string{"refuses this client's certificate", "--tls-client-ca"}},
		"an unknown authority":              {secret, [][]string{anna, {"--tls-ca", at("other/ca.pem")}}, []string{"not trusted", "--tls-ca FILE"}},
		"another name":                      {secret, [][]string{anna, ca, {"--tls-server-name", "example.com"}}, []string{"has another name", "localhost, not example.com", "--tls-server-name"}},
		"plaintext to TLS":                  {secret, [][]string{anna}, []string{"probably has TLS", "add --tls"}},
		"TLS to plaintext":                  {plain, [][]string{ca}, []string{"does not speak TLS", "leave out the --tls flags"}},
		"a wrong password":                  {secret, [][]string{ca, {"--user", "anna", "--password-file", wrong}}, []string{"refuses the user or the password", "--password-file"}},
		"a mechanism that is not offered":   {open, [][]string{anna, {"--sasl-mechanism", "PLAIN"}}, []string{"does not offer", "--sasl-mechanism: PLAIN, SCRAM"}},
		"no user":                           {secret, [][]string{ca}, []string{"probably demands a user", "--user"}},
		"no user, in plaintext":             {open, nil, []string{"probably demands a user", "--user"}},
		"nobody listens":                    {freeAddress(t), nil, []string{"connection refused", "is a node running there?"}},
		"a web server":                      {strict.Addr().String(), nil, []string{"no Kafka broker", "HTTP", "port of a listener for Kafka clients"}},
		"TLS to a web server without":       {strings.TrimPrefix(web.URL, "http://"), [][]string{ca}, []string{"does not speak TLS", "leave out"}},
		"a web server that waits":           {strings.TrimPrefix(web.URL, "http://"), nil, []string{"answers nothing", "not one for HTTP like --admin-listen"}},
		"a host that is not there":          {"millrace.invalid:9092", nil, []string{"millrace.invalid", "check the name in --brokers"}},
		"a certificate that nobody asks of": {secret, [][]string{ca, anna, own("certs")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"topic", "list", "--timeout", "3s", "--brokers", c.addr}
			for _, more := range c.args {
				args = append(args, more...)
			}
			status := 1
			if c.texts == nil {
				status = 0
			}
			got := millrace(t, "", args...)
			got.want(t, status, c.texts...)
			if c.texts != nil && !strings.Contains(got.stderr, c.addr) {
				t.Errorf("it does not say where: %s", got.stderr)
			}
		})
	}
}

func TestBrokersAreAddresses(t *testing.T) {
	for _, bad := range []string{"", "a:b:c", "localhost:kafka", "localhost:0", "::1"} {
		if got, err := seeds(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
	if got, err := seeds("a, b:1 ,[::1]:9092"); err != nil || strings.Join(got, " ") != "a:9092 b:1 [::1]:9092" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestExposedSecrets: a key or a password that others can read is told, once and by
// name; one that is as it should be is not.
func TestExposedSecrets(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"secret": 0o600, "group": 0o640, "world": 0o604} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
	}
	var said lockedBuffer
	a := &app{term: newTerminal(io.Discard, &said)}
	at := func(name string) string { return filepath.Join(dir, name) }
	a.warnExposed(at("secret"), at("group"), at("world"), at("group"), at("missing"), "", dir, "-")
	if got := said.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "group is a secret") || !strings.Contains(got, "mode 0604): chmod 600 "+at("world")) {
		t.Errorf("%s", got)
	}
}
