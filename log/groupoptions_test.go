package log

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/vfs"
)

func TestGroupOptionsAreConfigsOfTheBroker(t *testing.T) {
	n := openNode(t, vfs.NewMem(), func(o *Options) {
		o.Groups = GroupOptions{MaxSize: 7, ConsumerSession: 3 * time.Second, ConsumerHeartbeat: 100 * time.Millisecond}
	})
	w := dial(t, serve(t, n))
	for key, want := range map[string]string{
		"group.max.size": "7", "group.consumer.max.size": "7",
		"group.consumer.session.timeout.ms": "3000", "group.consumer.heartbeat.interval.ms": "100",
	} {
		if got, _, _ := strings.Cut(describe(w, kmsg.ConfigResourceTypeBroker, "1", key), " "); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestGroupOptionsThatCannotWork(t *testing.T) {
	for want, g := range map[string]GroupOptions{
		"":                           {},
		"MaxSize is -1":              {MaxSize: -1},
		"ConsumerSession is -1ns":    {ConsumerSession: -1},
		"ConsumerHeartbeat is 5s, ":  {ConsumerSession: 4 * time.Second}, // the default heartbeat
		"ConsumerHeartbeat is 45s, ": {ConsumerHeartbeat: 45 * time.Second},
		"ConsumerSession is 45s, not between ConsumerMinSession, 50s": {ConsumerMinSession: 50 * time.Second},
		"ConsumerHeartbeat is 5s, not between":                        {ConsumerMaxHeartbeat: 4 * time.Second},
		"ConsumerHeartbeat is 999.999":                                {ConsumerHeartbeat: time.Millisecond - 1},
	} {
		err := (&Options{DataDir: "data", Groups: g}).validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", g, err, want)
		}
	}
}
