package vfs

import (
	"maps"
	"math/rand/v2"
)

const pageSize = 4096

// pagedFile is a file's contents as the process sees them, and enough to tell
// what a crash may leave: for every page changed since the last sync, the page
// as it was then. The zero value is an empty file, durably empty.
type pagedFile struct {
	pages [][]byte // each pageSize long; bytes beyond size are zero
	size  int64

	keptSize int64            // size at the last sync
	old      map[int64][]byte // page number -> contents at the last sync; nil was not there
}

func (f *pagedFile) readAt(p []byte, off int64) int {
	if off >= f.size {
		return 0
	}
	p = p[:min(int64(len(p)), f.size-off)]
	for n := 0; n < len(p); {
		at := off + int64(n)
		n += copy(p[n:], f.pages[at/pageSize][at%pageSize:])
	}
	return len(p)
}

func (f *pagedFile) append(p []byte) {
	for len(p) > 0 {
		i := f.size / pageSize
		f.touch(i)
		if i == int64(len(f.pages)) {
			f.pages = append(f.pages, make([]byte, pageSize))
		}
		n := copy(f.pages[i][f.size%pageSize:], p)
		f.size += int64(n)
		p = p[n:]
	}
}

// overwrite replaces bytes within the file.
func (f *pagedFile) overwrite(p []byte, off int64) {
	for len(p) > 0 {
		i := off / pageSize
		f.touch(i)
		n := copy(f.pages[i][off%pageSize:], p)
		off += int64(n)
		p = p[n:]
	}
}

func (f *pagedFile) truncate(size int64) {
	for f.size < size { // grow with zeros, as a hole reads
		n := min(size-f.size, pageSize)
		f.append(make([]byte, n))
	}
	if size == f.size {
		return
	}
	whole := (size + pageSize - 1) / pageSize
	for i := size / pageSize; i < int64(len(f.pages)); i++ {
		f.touch(i)
	}
	clear(f.pages[whole:])
	f.pages = f.pages[:whole]
	if size%pageSize != 0 {
		clear(f.pages[whole-1][size%pageSize:])
	}
	f.size = size
}

// touch remembers a page before its first change since the last sync.
func (f *pagedFile) touch(i int64) {
	if _, known := f.old[i]; known {
		return
	}
	if f.old == nil {
		f.old = map[int64][]byte{}
	}
	if i*pageSize >= f.keptSize || i >= int64(len(f.pages)) {
		f.old[i] = nil
		return
	}
	f.old[i] = append([]byte(nil), f.pages[i]...)
}

func (f *pagedFile) sync() {
	f.keptSize = f.size
	clear(f.old)
}

// fork is a copy with the same past.
func (f *pagedFile) fork() pagedFile {
	out := *f
	out.pages = make([][]byte, len(f.pages))
	for i, page := range f.pages {
		out.pages[i] = append([]byte(nil), page...)
	}
	out.old = maps.Clone(f.old) // old pages are never written to
	return out
}

// crash draws what is left after a power cut; the result is durable.
func (f *pagedFile) crash(rng *rand.Rand) pagedFile {
	size := crashSize(f.keptSize, f.size, rng)
	left := pagedFile{size: size, keptSize: size}
	for i := int64(0); i*pageSize < size; i++ {
		page := make([]byte, pageSize)
		var now []byte
		if i < int64(len(f.pages)) {
			now = f.pages[i]
		}
		if old, changed := f.old[i]; changed {
			tear(page, old, now, rng)
		} else {
			copy(page, now)
		}
		if end := size - i*pageSize; end < pageSize {
			clear(page[end:])
		}
		left.pages = append(left.pages, page)
	}
	return left
}

// crashSize is one of the sizes the inode may have on disk. Sizes between two
// syncs may reach the disk at any write.
func crashSize(kept, now int64, rng *rand.Rand) int64 {
	switch {
	case kept == now:
		return now
	case rng.IntN(3) == 0:
		return kept
	case rng.IntN(2) == 0 || now < kept:
		return now
	}
	return kept + rng.Int64N(now-kept+1)
}

// tear fills page with old or now, or with sectors of both.
func tear(page, old, now []byte, rng *rand.Rand) {
	const sector = 512
	switch rng.IntN(8) {
	case 0, 1, 2:
		copy(page, old)
	case 3:
		copy(page, old)
		for at := 0; at < pageSize && at < len(now); at += sector {
			if rng.IntN(2) == 0 {
				copy(page[at:at+sector], now[at:])
			}
		}
	default:
		copy(page, now)
	}
}
