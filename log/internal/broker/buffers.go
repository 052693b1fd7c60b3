package broker

import "sync"

// Buffers between these sizes are reused. Smaller ones are cheap to make, larger
// ones too dear to keep. The usual Produce of a busy client has a batch of 1 MiB
// for each of a few partitions.
const (
	minKeptBuffer = 4 << 10
	maxKeptBuffer = 4 << 20
)

// maxKeptReply bounds what a connection keeps for encoding its next response.
const maxKeptReply = 256 << 10

var buffers sync.Pool // of *[]byte

// takeBuffer is a buffer of n bytes with any content. A pooled one is used only if
// it is not much larger, so that small requests do not pin large buffers.
func takeBuffer(n int) []byte {
	if n < minKeptBuffer {
		return make([]byte, n)
	}
	if p, _ := buffers.Get().(*[]byte); p != nil {
		if cap(*p) >= n && cap(*p) <= 4*n {
			return (*p)[:n]
		}
		buffers.Put(p)
	}
	return make([]byte, n, n+n/8)
}

// dropBuffer ends the life of a buffer. Under Strict it is overwritten first: what
// still refers to it is found out by its checksum or its garbage. (A buffer given
// back while in flight once put one client's records into another's topic.)
func (b *Broker) dropBuffer(buf []byte) {
	if b.opts.Strict {
		for i := range buf {
			buf[i] = 0xdb
		}
	}
	if cap(buf) >= minKeptBuffer && cap(buf) <= maxKeptBuffer {
		buffers.Put(&buf)
	}
}
