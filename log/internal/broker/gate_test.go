package broker

import (
	"testing"
	"testing/synctest"
)

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		if !g.enter(1) || g.enter(1) {
			t.Fatal("a limit of one must let exactly one in")
		}
		done := false
		go func() {
			g.closeAndWait()
			done = true
		}()
		synctest.Wait()
		if done || g.enter(0) {
			t.Fatal("a closed gate lets nobody in and waits for who is inside")
		}
		g.leave()
		synctest.Wait()
		if !done {
			t.Fatal("the wait goes on although nobody is inside")
		}
		g.closeAndWait()
	})
}
