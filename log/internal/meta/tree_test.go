package meta

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTreeAgainstMap does random changes on a tree and a map, keeps old versions
// and finds them unchanged.
func TestTreeAgainstMap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	type version struct {
		tree  tree[int, int]
		model map[int]int
	}
	now := version{newTree[int, int](cmp.Compare), map[int]int{}}
	var kept []version
	for i := range 20_000 {
		key := rng.IntN(500)
		if i%200 == 0 {
			kept = append(kept, version{now.tree, maps.Clone(now.model)})
		}
		if rng.IntN(5) < 3 {
			now.tree = now.tree.set(key, i)
			now.model[key] = i
		} else {
			now.tree = now.tree.remove(key)
			delete(now.model, key)
		}
	}
	for _, v := range append(kept, now) {
		var keys []int
		for k, got := range v.tree.all() {
			keys = append(keys, k)
			if want := v.model[k]; got != want {
				t.Fatalf("key %d has %d, want %d", k, got, want)
			}
		}
		if want := slices.Sorted(maps.Keys(v.model)); !slices.Equal(keys, want) || v.tree.len() != len(want) {
			t.Fatalf("%d keys in a tree of %d, want %d", len(keys), v.tree.len(), len(want))
		}
		checkBalance(t, v.tree.root)
	}
}

func checkBalance[K, V any](t *testing.T, n *node[K, V]) int {
	if n == nil {
		return 0
	}
	l, r := checkBalance(t, n.left), checkBalance(t, n.right)
	if l-r > 1 || r-l > 1 || n.height != 1+max(l, r) {
		t.Fatalf("children of height %d and %d under %d", l, r, n.height)
	}
	return n.height
}

func TestTreeWalkStops(t *testing.T) {
	tr := newTree[int, int](cmp.Compare)
	for i := range 100 {
		tr = tr.set(i, i)
	}
	seen := 0
	for k := range tr.all() {
		if seen++; k == 41 {
			break
		}
	}
	if seen != 42 {
		t.Errorf("walked %d keys", seen)
	}
}
