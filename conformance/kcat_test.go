package conformance

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// kcat runs kcat (librdkafka) with something on its standard input.
func kcat(t *testing.T, broker, input string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "kcat"), append([]string{"-b", broker, "-q"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kcat %s: %v\n%s%s", strings.Join(args, " "), err, out, problems.String())
	}
	return string(out)
}

func TestKcatListsTopics(t *testing.T) {
	need(t, "kcat")
	broker := plain(t).broker
	kcat(t, broker, "hello\n", "-P", "-t", "kcat-list")
	out := kcat(t, broker, "", "-L")
	for _, want := range []string{"1 brokers", "broker 1 at " + broker, `topic "kcat-list" with 1 partitions`, "leader 1"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %q:\n%s", want, out)
		}
	}
	// Clients resolve localhost to either family.
	if out := kcat(t, "localhost"+broker[strings.LastIndexByte(broker, ':'):], "", "-L"); !strings.Contains(out, "kcat-list") {
		t.Errorf("by the name localhost:\n%s", out)
	}
}

func TestKcatProducesAndConsumesWithEachCodec(t *testing.T) {
	need(t, "kcat")
	broker := plain(t).broker
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, "key%d:a line that compresses well, again and again, number %d\n", i%7, i)
	}
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			topic := "kcat-" + codec
			kcat(t, broker, lines.String(), "-P", "-t", topic, "-K", ":", "-z", codec, "-X", "linger.ms=200")
			if got := kcat(t, broker, "", "-C", "-t", topic, "-e", "-K", ":", "-o", "beginning"); got != lines.String() {
				t.Fatalf("read %d bytes, wrote %d", len(got), lines.Len())
			}
			// A broker that does not list Produce from 0 gets uncompressed data from
			// librdkafka before 2.11: then the stored batch is as large as the input.
			stored := storedBytes(t, broker, topic)
			if codec != "none" && stored > lines.Len()/3 {
				t.Errorf("%d bytes were stored for %d: the client did not compress", stored, lines.Len())
			}
		})
	}
}

func TestKcatConsumesInAGroup(t *testing.T) {
	need(t, "kcat")
	broker := plain(t).broker
	kcat(t, broker, "one\ntwo\nthree\n", "-P", "-t", "kcat-group", "-X", "enable.idempotence=true")
	got := kcat(t, broker, "", "-G", "readers", "-c", "3", "-X", "auto.offset.reset=earliest", "kcat-group")
	if got != "one\ntwo\nthree\n" {
		t.Fatalf("read %q", got)
	}
	kcat(t, broker, "four\n", "-P", "-t", "kcat-group")
	// The offsets were committed: a second reader of the group goes on from there.
	if got := kcat(t, broker, "", "-G", "readers", "-c", "1", "-X", "auto.offset.reset=earliest", "kcat-group"); got != "four\n" {
		t.Fatalf("then read %q", got)
	}
}

func TestKcatFindsOffsetsByTime(t *testing.T) {
	need(t, "kcat")
	broker := plain(t).broker
	kcat(t, broker, "one\ntwo\n", "-P", "-t", "kcat-time")
	if got := kcat(t, broker, "", "-Q", "-t", "kcat-time:0:-1"); !strings.Contains(got, "offset 2") {
		t.Errorf("end: %q", got)
	}
	if got := kcat(t, broker, "", "-Q", "-t", "kcat-time:0:1"); !strings.Contains(got, "offset 0") {
		t.Errorf("the first record after 1970: %q", got)
	}
}

// kcatVersion names the client in the test's log.
func TestKcatVersion(t *testing.T) {
	out, err := exec.Command(need(t, "kcat"), "-V").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", out)
}

// The old librdkafka over TLS, with SCRAM and authorization.
func TestKcatOverTLS(t *testing.T) {
	need(t, "kcat")
	at := secure(t, "SCRAM-SHA-512")
	as := func(password string, args ...string) []string {
		return append([]string{"-X", "security.protocol=sasl_ssl", "-X", "ssl.ca.location=" + at.ca, "-X", "sasl.mechanism=" + at.mechanism,
			"-X", "sasl.username=" + user, "-X", "sasl.password=" + password}, args...)
	}
	kcat(t, at.broker, "one\ntwo\n", as(password, "-P", "-t", "kcat-tls")...)
	group := as(password, "-G", "readers", "-X", "auto.offset.reset=earliest")
	if got := kcat(t, at.broker, "", append(group, "-c", "2", "kcat-tls")...); got != "one\ntwo\n" {
		t.Fatalf("read %q", got)
	}
	kcat(t, at.broker, "three\n", as(password, "-P", "-t", "kcat-tls")...)
	if got := kcat(t, at.broker, "", append(group, "-c", "1", "kcat-tls")...); got != "three\n" {
		t.Fatalf("the group then read %q", got)
	}
	list := kcat(t, at.broker, "", as(password, "-L")...)
	for _, want := range []string{"1 brokers", "broker 1 at " + at.broker, `topic "kcat-tls" with 1 partitions`} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %q:\n%s", want, list)
		}
	}

	// Whoever mistypes the password must be told, not left to wait.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "kcat", append([]string{"-b", at.broker, "-m", "10"}, as("not "+password, "-L")...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "SASL authentication error") || strings.Contains(string(out), "kcat-tls") {
		t.Errorf("with a wrong password: %v\n%s", err, out)
	}
}
