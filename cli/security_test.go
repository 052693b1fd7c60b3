package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPasswordsComeFromFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		file("plain", "secret"):                  "secret",
		file("newline", " two words \r\n"):       " two words ",
		"-":                                      "from stdin",
		file("empty", "\n"):                      "",
		file("large", strings.Repeat("x", 5000)): "",
		filepath.Join(dir, "missing"):            "",
		"":                                       "",
	} {
		p := passwordFile{name: "password-file", path: path}
		got, err := p.read(strings.NewReader("from stdin\n"))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	t.Setenv(passwordVariable, "from the environment")
	if got, err := (&passwordFile{}).read(nil); got != "from the environment" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := (&passwordFile{name: "first-user-password-file", path: "-"}).read(nil); err == nil || !strings.Contains(err.Error(), "--first-user-password-file") {
		t.Errorf("%v", err)
	}
}

func TestSecurityFlagsReportEveryFault(t *testing.T) {
	t.Setenv(passwordVariable, "")
	s := securityFlags{ca: "nothing.pem", pair: keyPair{cert: "c.pem"}, user: "anna", mechanism: "LOGIN"}
	_, err := s.security(nil)
	for _, want := range []string{"nothing.pem", "go together", "a password is needed", `"LOGIN"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %s in: %v", want, err)
		}
	}
	if _, err := (&securityFlags{mechanism: "PLAIN"}).security(nil); err == nil || !strings.Contains(err.Error(), "need --user") {
		t.Errorf("%v", err)
	}
	sec, err := (&securityFlags{serverName: "broker"}).security(nil)
	if err != nil || sec.TLS == nil || sec.TLS.ServerName != "broker" || sec.TLS.InsecureSkipVerify {
		t.Errorf("%+v, %v", sec, err)
	}
	if sec, err = (&securityFlags{}).security(nil); err != nil || sec.TLS != nil {
		t.Errorf("%+v, %v", sec, err)
	}
}
