package cli

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCertInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	millrace(t, "", "cert", "init", "--dir", dir, "--host", "log.example.com,10.0.0.7", "--user", "anna").
		want(t, 0, dir+"/server.pem", "security.protocol=ssl", "ssl.keystore.type=PEM", "User:CN=anna")
	for _, name := range []string{"ca.key", "server.key", "client.key", "client-keystore.pem"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	server, client := certificate(t, filepath.Join(dir, "server.pem")), certificate(t, filepath.Join(dir, "client.pem"))
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "log.example.com", "10.0.0.7"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	asClient := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := client.Verify(asClient); err != nil || client.Subject.CommonName != "anna" {
		t.Errorf("client %v: %v", client.Subject, err)
	}
	if _, err := server.Verify(asClient); err == nil {
		t.Error("the server's certificate lets in clients")
	}
	for _, key := range []string{"server.key", "client-keystore.pem"} {
		text, _ := os.ReadFile(filepath.Join(dir, key))
		block, _ := pem.Decode(text)
		if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
			t.Errorf("Java cannot read %s: %v", key, err)
		}
	}

	millrace(t, "", "cert", "init", "--dir", dir).want(t, 1, "ca.pem", "nothing is overwritten")
	if again, _ := os.ReadFile(filepath.Join(dir, "ca.pem")); string(again) != string(ca) {
		t.Error("the authority was overwritten")
	}
}

func certificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestWalkThrough is that of docs/security.md: from nothing to a listener with TLS
// and a user who may do something, with the commands as they stand there.
func TestWalkThrough(t *testing.T) {
	page, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := walkThrough(t, string(page))
	t.Chdir(t.TempDir())
	addr := freeAddress(t)
	replace := strings.NewReplacer("0.0.0.0:9093", addr, "localhost:9093", addr)
	run := func(command string) outcome {
		t.Helper()
		return millrace(t, "", strings.Fields(replace.Replace(strings.TrimPrefix(command, "millrace ")))...)
	}
	run(commands["cert"]).want(t, 0)
	if err := os.WriteFile("admin.password", []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := start(t, strings.Fields(replace.Replace(strings.TrimPrefix(commands["server"], "millrace ")))...)
	server.until(t, "listening on")
	run(commands["topic create"]).want(t, 0, "created orders")
	run(commands["topic list"]).want(t, 0, "orders")
	made := run(commands["user create"])
	made.want(t, 0, "created user anna")
	_, password, _ := strings.Cut(made.stdout, "password ")
	if err := os.WriteFile("anna.password", []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	run("millrace topic list --brokers localhost:9093 --tls-ca certs/ca.pem --user anna --password-file anna.password").want(t, 0, "orders")

	at := "millrace topic list --brokers localhost:9093 "
	tls, user := "--tls-ca certs/ca.pem ", "--user admin --password-file admin.password "
	if err := os.WriteFile("wrong.password", []byte("battery staple"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(at+tls+"--user admin --password-file wrong.password").want(t, 1, "refuses the user", "--password-file")
	run(at+tls+"--user nobody --password-file admin.password").want(t, 1, "refuses the user")
	run(at+user+"--tls").want(t, 1, "not trusted", "--tls-ca")
	run(at+user).want(t, 1, "--tls-ca")
	run(at+tls).want(t, 1, "--user")
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "scram-sha-512"} {
		run(at+tls+user+"--sasl-mechanism "+mechanism).want(t, 0, "orders")
	}
	run(at+tls+user+"--sasl-mechanism GSSAPI").want(t, 2, "GSSAPI")
	if status := server.stop(t); status != 0 {
		t.Errorf("the server ended with %d:\n%s", status, server.stderr.String())
	}
}

// walkThrough takes the commands out of the page, by their first words.
func walkThrough(t *testing.T, page string) map[string]string {
	t.Helper()
	_, section, ok := strings.Cut(page, "## From nothing to an encrypted listener")
	if !ok {
		t.Fatal("docs/security.md has no walk-through")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	section = strings.ReplaceAll(section, "\\\n", " ")
	found := map[string]string{}
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		for _, name := range []string{"cert", "server", "topic create", "topic list", "user create"} {
			if strings.HasPrefix(line, "millrace "+name+" ") && found[name] == "" {
				found[name] = line
			}
		}
	}
	if len(found) != 5 {
		t.Fatalf("the walk-through has only %v", found)
	}
	return found
}
