package vfs

import (
	"maps"
	"math/rand/v2"
)

// nameChange is one call's effect on directories: it happens as a whole or not.
type nameChange []nameEdit

// nameEdit sets one directory entry; to == nil removes it.
type nameEdit struct {
	dir  *inode
	name string
	to   *inode
}

type nameKey struct {
	dir  *inode
	name string
}

func (e nameEdit) key() nameKey { return nameKey{e.dir, e.name} }

// change makes directory edits visible to the process and remembers that no
// crash is sure to keep them. Needs mu.
func (m *Mem) change(edits ...nameEdit) {
	for _, e := range edits {
		if e.to != nil {
			m.link(e.to, 1)
		}
	}
	for _, e := range edits {
		if was := e.dir.names[e.name]; was != nil {
			m.link(was, -1)
		}
		set(e.dir.names, e)
	}
	m.pending = append(m.pending, edits)
}

// link counts names, so that space is given back with the last one. Needs mu.
func (m *Mem) link(n *inode, by int) {
	before := n.links
	n.links += by
	if before == 0 && n.links > 0 {
		m.used += n.content.size
	} else if before > 0 && n.links == 0 {
		m.used -= n.content.size
	}
}

func set(names map[string]*inode, e nameEdit) {
	if e.to == nil {
		delete(names, e.name)
	} else {
		names[e.name] = e.to
	}
}

// keepChanges makes every change of dir durable, and with it the earlier changes
// of the names that those touch. Needs mu.
func (m *Mem) keepChanges(dir *inode) {
	keep := make([]bool, len(m.pending))
	touched := map[nameKey]bool{}
	for i := len(m.pending) - 1; i >= 0; i-- {
		for _, e := range m.pending[i] {
			keep[i] = keep[i] || e.dir == dir || touched[e.key()]
		}
		if keep[i] {
			for _, e := range m.pending[i] {
				touched[e.key()] = true
			}
		}
	}
	rest := m.pending[:0]
	for i, change := range m.pending {
		if !keep[i] {
			rest = append(rest, change)
			continue
		}
		for _, e := range change {
			set(e.dir.kept, e)
		}
	}
	clear(m.pending[len(rest):])
	m.pending = rest
}

// CrashClone is the disk as a power cut now might leave it: everything that was
// synced, and of the rest a subset drawn from rng. The Mem itself goes on
// unharmed. The clone has the same limit, no hook, no locks, and everything in it
// is durable. Equal states and equal seeds give equal clones.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := map[*inode]map[string]*inode{} // directories whose durable entries change
	lost := map[nameKey]bool{}
	for _, change := range m.pending {
		if rng.IntN(2) == 0 || touches(lost, change) {
			for _, e := range change {
				lost[e.key()] = true
			}
			continue
		}
		for _, e := range change {
			if kept[e.dir] == nil {
				kept[e.dir] = maps.Clone(e.dir.kept)
			}
			set(kept[e.dir], e)
		}
	}
	clone := NewMem()
	clone.limit = m.limit
	c := cloner{into: clone, kept: kept, done: map[*inode]*inode{}, rng: rng}
	clone.root = c.copy(m.root)
	return clone
}

// KillClone is the disk as a killed process leaves it: everything written is there,
// and what no crash would be sure to keep is still that. The Mem itself goes on
// unharmed. The clone has the same limit, no hook and no locks.
func (m *Mem) KillClone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := map[*inode]*inode{}
	clone := &Mem{root: m.root.fork(done), locked: map[string]struct{}{}, limit: m.limit, used: m.used}
	for _, change := range m.pending {
		edits := make(nameChange, len(change))
		for i, e := range change {
			edits[i] = nameEdit{e.dir.fork(done), e.name, e.to.fork(done)}
		}
		clone.pending = append(clone.pending, edits)
	}
	return clone
}

// fork copies an inode and everything below it, once.
func (n *inode) fork(done map[*inode]*inode) *inode {
	if n == nil || done[n] != nil {
		return done[n]
	}
	out := &inode{isDir: n.isDir, links: n.links, mod: n.mod}
	done[n] = out
	if !n.isDir {
		out.content = n.content.fork()
		return out
	}
	out.names, out.kept = map[string]*inode{}, map[string]*inode{}
	for name, child := range n.names {
		out.names[name] = child.fork(done)
	}
	for name, child := range n.kept {
		out.kept[name] = child.fork(done)
	}
	return out
}

func touches(lost map[nameKey]bool, change nameChange) bool {
	for _, e := range change {
		if lost[e.key()] {
			return true
		}
	}
	return false
}

// cloner copies a tree of durable entries into a new Mem.
type cloner struct {
	into *Mem
	kept map[*inode]map[string]*inode // overrides inode.kept
	done map[*inode]*inode            // for files of several names
	rng  *rand.Rand
}

func (c *cloner) copy(n *inode) *inode {
	if seen := c.done[n]; seen != nil {
		return seen
	}
	out := &inode{isDir: n.isDir, mod: n.mod}
	c.done[n] = out
	if !n.isDir {
		out.content = n.content.crash(c.rng)
		return out
	}
	names := n.kept
	if changed, ok := c.kept[n]; ok {
		names = changed
	}
	out.names, out.kept = map[string]*inode{}, map[string]*inode{}
	for _, name := range sortedNames(names) { // sorted, so that rng is drawn in a fixed order
		child := c.copy(names[name])
		c.into.link(child, 1)
		out.names[name], out.kept[name] = child, child
	}
	return out
}
