package codec

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0 draws one")

// random is a generator whose seed is in the log of a failing test.
func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (run with -seed %d to repeat)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}
