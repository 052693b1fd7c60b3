package storage

import (
	"container/list"
	"sync"

	"github.com/millrace/millrace/internal/vfs"
)

// handleCache keeps a bounded number of segments open for reading, over all
// partitions: ten thousand idle partitions need no descriptor. Who reads holds a
// handle; what is least recently used and held by nobody is closed.
type handleCache struct {
	fsys  vfs.FS
	limit int

	mu     sync.Mutex // never held while a file is opened or closed
	bySeg  map[*segment]*handle
	recent *list.List // of *handle, the latest in front
}

// handle is an open segment. ready is closed once file, index and err are set.
type handle struct {
	seg   *segment
	ready chan struct{}
	file  vfs.File
	err   error

	loading ioLock        // held while index is loaded
	index   *segmentIndex // guarded by loading; nil until someone asked

	refs int           // guarded by handleCache.mu
	at   *list.Element // nil once it is out of the cache
}

func newHandleCache(fsys vfs.FS, limit int) *handleCache {
	return &handleCache{fsys: fsys, limit: limit, bySeg: map[*segment]*handle{}, recent: list.New()}
}

// acquire opens a segment for reading; give it back with release.
func (c *handleCache) acquire(s *segment) (*handle, error) {
	c.mu.Lock()
	h := c.bySeg[s]
	if h != nil {
		h.refs++
		c.recent.MoveToFront(h.at)
		c.mu.Unlock()
		<-h.ready
		if h.err != nil {
			c.release(h)
			return nil, h.err
		}
		return h, nil
	}
	h = &handle{seg: s, ready: make(chan struct{}), loading: newIOLock(), refs: 1}
	c.bySeg[s] = h
	h.at = c.recent.PushFront(h)
	evicted := c.evict()
	c.mu.Unlock()

	h.file, h.err = c.fsys.Open(s.path + logSuffix)
	close(h.ready)
	for _, old := range evicted {
		_ = old.file.Close() // it was only read
	}
	if h.err != nil {
		c.drop(s)
		c.release(h)
		return nil, h.err
	}
	return h, nil
}

// evict takes idle handles out of a cache that is too large. Needs mu.
func (c *handleCache) evict() (idle []*handle) {
	for e := c.recent.Back(); e != nil && c.recent.Len() > c.limit; {
		h := e.Value.(*handle)
		e = e.Prev()
		if h.refs == 0 {
			c.remove(h)
			idle = append(idle, h)
		}
	}
	return idle
}

func (c *handleCache) remove(h *handle) {
	c.recent.Remove(h.at)
	h.at = nil
	delete(c.bySeg, h.seg)
}

func (c *handleCache) release(h *handle) {
	c.mu.Lock()
	h.refs--
	unused := h.refs == 0 && h.at == nil
	c.mu.Unlock()
	if unused && h.file != nil {
		_ = h.file.Close() // it was only read
	}
}

// drop forgets a segment whose file has been cut or is going away. Who reads it
// finishes with the old handle.
func (c *handleCache) drop(s *segment) {
	c.mu.Lock()
	h := c.bySeg[s]
	if h == nil {
		c.mu.Unlock()
		return
	}
	c.remove(h)
	unused := h.refs == 0
	c.mu.Unlock()
	if unused {
		<-h.ready
		if h.file != nil {
			_ = h.file.Close() // it was only read
		}
	}
}
