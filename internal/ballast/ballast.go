// Package ballast keeps the garbage collector from running too often.
//
// What the engine keeps is small, a few MiB beside the state, and what passes
// through it is large: every fetch is a buffer of a MiB that is garbage once its
// rows are decoded. The collector runs when the heap has doubled, so at half a
// million rows a second it would run thirty times a second, and a tenth of all
// processor time would go into marking the same few MiB. A higher GOGC is not the
// answer, because it multiplies large state as well.
//
// A ballast is a part of the heap that is never touched: it counts when the
// collector decides how far the heap may grow, has no pages behind it, and is not
// searched, since it holds no pointers.
//
//	defer ballast.Load(ballast.Size)()
package ballast

import (
	"os"
	"runtime"
)

// Size is what a process that runs a node or a pipeline should carry. The heap
// may then grow by 64 MiB more than it would, garbage that at a GiB a second
// lasts for a sixteenth of a second.
const Size = 64 << 20

// Load takes on a ballast of so many bytes until drop is called. It does nothing
// where the environment has GOGC or GOMEMLIMIT: whoever says how the collector
// should run does not want it changed.
func Load(bytes int) (drop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	b := make([]byte, bytes)
	return func() { runtime.KeepAlive(b) }
}
