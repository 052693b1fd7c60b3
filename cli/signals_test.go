package cli

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneWishTwoSignals: timeout(1) sends SIGTERM twice, and the second used to end
// the process in the middle of its last epoch.
func TestOneWishTwoSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, done := make(chan os.Signal, 2), make(chan struct{})
		ended := make(chan bool, 1)
		go func() { ended <- again(got, done) }()
		got <- syscall.SIGTERM
		time.Sleep(sameWish)
		synctest.Wait()
		if len(ended) > 0 {
			t.Fatal("the same signal once more is taken for a second wish")
		}
		got <- syscall.SIGTERM
		if !<-ended {
			t.Error("a second wish is not heard")
		}
		go func() { ended <- again(got, done) }()
		close(done)
		if <-ended {
			t.Error("the end is taken for a signal")
		}
	})
}
