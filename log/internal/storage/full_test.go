package storage

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/vfs"
)

// TestAFullDiskIsToldOnce refuses a thousand appends: the log has one line that says
// what to do, and one when there is room again; and not another pair a moment later.
func TestAFullDiskIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		n := openDisk(t, m, func(o *Options) { o.MinFreeBytes = 10_000 })
		l := openTestLog(t, n, Config{})
		mustAppend(t, l, plainBatch("x"))
		told := func(full, room int) {
			t.Helper()
			synctest.Wait()
			out := n.logs.String()
			if f, r := strings.Count(out, "the disk is full"), strings.Count(out, "room on the disk again"); f != full || r != room {
				t.Fatalf("told %d times that it is full, %d times that it is not, want %d and %d\n%s", f, r, full, room, out)
			}
			if full > 0 && !strings.Contains(out, "lower the retention") {
				t.Fatal("no word about what to do")
			}
		}
		refuse := func() {
			t.Helper()
			m.Limit(m.Used() + 5_000)
			if err := n.measure(); err != nil {
				t.Fatal(err)
			}
			for range 1000 {
				if _, err := l.Append(plainBatch("x"), AppendOptions{}); !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * keepInterval)
		}
		refuse()
		told(1, 0)
		m.Limit(0)
		mustAppend(t, l, plainBatch("x"))
		time.Sleep(3 * keepInterval)
		told(1, 1)
		refuse()
		told(1, 1)
		m.Limit(0)
		time.Sleep(tellAgain)
		told(1, 1)
		refuse()
		told(2, 1)
	})
}
