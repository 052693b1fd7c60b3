package meta

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/log/internal/sasl"
)

// scramChanges reads USER:MECHANISM[:ITERATIONS] to set a credential and
// -USER:MECHANISM to remove one.
func scramChanges(words []string) AlterUserScramCredentials {
	var req AlterUserScramCredentials
	for _, w := range words {
		w, remove := strings.CutPrefix(w, "-")
		parts := strings.Split(w, ":")
		n, _ := strconv.Atoi(parts[1])
		m := sasl.Mechanism(n)
		if remove {
			req.Deletions = append(req.Deletions, ScramDeletion{User: parts[0], Mechanism: m})
			continue
		}
		iterations := sasl.MinIterations
		if len(parts) > 2 {
			iterations, _ = strconv.Atoi(parts[2])
		}
		req.Upsertions = append(req.Upsertions, ScramUpsertion{User: parts[0], Mechanism: m, Salt: []byte("salt"),
			SaltedPassword: make([]byte, 32*max(n, 1)), Iterations: iterations})
	}
	return req
}

// TestCredentialsAreNotPrinted: a record that finds its way into an error or a log
// line shows whose it is and no key.
func TestCredentialsAreNotPrinted(t *testing.T) {
	r := &ScramCredential{User: "ada", Mechanism: sasl.ScramSHA256, Credential: sasl.Credential{StoredKey: []byte("stored"), ServerKey: []byte("server")}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, r); strings.Contains(s, "115") || strings.Contains(s, "stored") || !strings.Contains(s, "ada") {
			t.Errorf("%s prints %s", format, s)
		}
	}
}
