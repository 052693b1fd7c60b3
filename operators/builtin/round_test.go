package builtin

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestNearest compares with rational arithmetic, mostly on numbers that lie at or
// beside the middle between two floats.
func TestNearest(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200_000 {
		words := make([]uint64, 1+rng.IntN(4))
		for i := range words {
			switch rng.IntN(4) {
			case 0:
				words[i] = rng.Uint64()
			case 1:
				words[i] = 1 << rng.IntN(64)
			case 2:
				words[i] = math.MaxUint64 << rng.IntN(64)
			}
		}
		if rng.IntN(2) == 0 { // 53 bits and a half, more or less
			words = []uint64{(1<<52|rng.Uint64N(1<<52))<<11 | 1<<10}
			if rng.IntN(3) == 0 {
				words[0] += uint64(rng.IntN(3)) - 1
			}
		}
		exponent := rng.IntN(2200) - 1200 - 64*len(words)
		divisor := uint64(1)
		switch rng.IntN(4) {
		case 0:
			divisor = 1 + rng.Uint64N(100)
		case 1:
			divisor = rng.Uint64() | 1
		}
		negative := rng.IntN(2) == 0
		want := rationally(negative, words, exponent, divisor)
		got := nearest(negative, append([]uint64{}, words...), exponent, divisor)
		if math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("%v %x * 2^%d / %d: %v, want %v", negative, words, exponent, divisor, got, want)
		}
	}
}

func rationally(negative bool, words []uint64, exponent int, divisor uint64) float64 {
	n := new(big.Int)
	for i := len(words) - 1; i >= 0; i-- {
		n.Or(n.Lsh(n, 64), new(big.Int).SetUint64(words[i]))
	}
	d := new(big.Int).SetUint64(divisor)
	if exponent > 0 {
		n.Lsh(n, uint(exponent))
	} else {
		d.Lsh(d, uint(-exponent))
	}
	if negative {
		n.Neg(n)
	}
	f, _ := new(big.Rat).SetFrac(n, d).Float64()
	return f + 0 // never -0
}
