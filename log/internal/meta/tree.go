package meta

import "iter"

// tree is a persistent ordered map: set and remove return a new tree that shares
// all but the changed path with the old one, which stays as it was. So an image of
// ten thousand partitions costs a few nodes per change, and is walked in key order,
// the same on every node. It is an AVL tree: heights of siblings differ by one at
// most. The zero value is empty; any number of goroutines may read.
type tree[K, V any] struct {
	root    *node[K, V]
	count   int
	compare func(a, b K) int
}

type node[K, V any] struct {
	key         K
	value       V
	left, right *node[K, V]
	height      int
}

func newTree[K, V any](compare func(a, b K) int) tree[K, V] {
	return tree[K, V]{compare: compare}
}

func (t tree[K, V]) len() int { return t.count }

func (t tree[K, V]) get(key K) (V, bool) {
	for n := t.root; n != nil; {
		c := t.compare(key, n.key)
		switch {
		case c == 0:
			return n.value, true
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	var none V
	return none, false
}

// set returns t with key at value.
func (t tree[K, V]) set(key K, value V) tree[K, V] {
	if _, old := t.get(key); !old {
		t.count++
	}
	t.root = t.insert(t.root, key, value)
	return t
}

// remove returns t without key.
func (t tree[K, V]) remove(key K) tree[K, V] {
	if _, there := t.get(key); !there {
		return t
	}
	t.count--
	t.root = t.delete(t.root, key)
	return t
}

// all walks the tree in key order.
func (t tree[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { t.root.walk(yield) }
}

func (n *node[K, V]) walk(yield func(K, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.value) && n.right.walk(yield)
}

func (t tree[K, V]) insert(n *node[K, V], key K, value V) *node[K, V] {
	if n == nil {
		return &node[K, V]{key: key, value: value, height: 1}
	}
	c := t.compare(key, n.key)
	switch {
	case c < 0:
		return n.with(t.insert(n.left, key, value), n.right)
	case c > 0:
		return n.with(n.left, t.insert(n.right, key, value))
	}
	return &node[K, V]{key: key, value: value, left: n.left, right: n.right, height: n.height}
}

func (t tree[K, V]) delete(n *node[K, V], key K) *node[K, V] {
	c := t.compare(key, n.key)
	switch {
	case c < 0:
		return n.with(t.delete(n.left, key), n.right)
	case c > 0:
		return n.with(n.left, t.delete(n.right, key))
	case n.left == nil:
		return n.right
	case n.right == nil:
		return n.left
	}
	next := n.right
	for next.left != nil {
		next = next.left
	}
	return next.with(n.left, t.delete(n.right, next.key))
}

// with is a copy of n over other children, balanced.
func (n *node[K, V]) with(left, right *node[K, V]) *node[K, V] {
	switch d := left.h() - right.h(); {
	case d > 1:
		if left.left.h() < left.right.h() {
			left = left.right.join(left.join(left.left, left.right.left), left.right.right)
		}
		return left.join(left.left, n.join(left.right, right))
	case d < -1:
		if right.right.h() < right.left.h() {
			right = right.left.join(right.left.left, right.join(right.left.right, right.right))
		}
		return right.join(n.join(left, right.left), right.right)
	}
	return n.join(left, right)
}

// join is a copy of n over children whose heights fit.
func (n *node[K, V]) join(left, right *node[K, V]) *node[K, V] {
	return &node[K, V]{key: n.key, value: n.value, left: left, right: right,
		height: 1 + max(left.h(), right.h())}
}

func (n *node[K, V]) h() int {
	if n == nil {
		return 0
	}
	return n.height
}
