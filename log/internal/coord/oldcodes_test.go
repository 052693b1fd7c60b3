package coord

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkajs reads "Unknown error code 90" and dies where its version is to be told 47.
// Every version of every affected key has the code that it knows, and codes that are
// not in the table stay.
func TestOldVersionsGetCodesThatTheyKnow(t *testing.T) {
	for _, o := range olderCodes {
		for v := range kmsg.RequestForKey(o.key).MaxVersion() + 1 {
			want := o.code.Code
			if v < o.since {
				want = o.older.Code
			}
			if got := CodeFor(o.key, v, o.code.Code); got != want {
				t.Errorf("%s v%d: %s is told as %d, want %d", kmsg.NameForKey(o.key), v, o.code.Message, got, want)
			}
			for _, stays := range []int16{0, kerr.UnknownServerError.Code, kerr.NotCoordinator.Code} {
				if got := CodeFor(o.key, v, stays); got != stays {
					t.Errorf("%s v%d: %d is told as %d", kmsg.NameForKey(o.key), v, stays, got)
				}
			}
		}
	}
}
