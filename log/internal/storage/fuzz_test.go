package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/record"
)

// fuzzSeeds are segments as they may be found.
func fuzzSeeds(f *testing.F, add func([]byte)) {
	f.Helper()
	one, two := plainBatch("one"), producerBatch(1, 0, 0, true, "two", "three")
	record.SetBaseOffset(two, 1)
	marker := record.ControlBatch(record.Control{Marker: record.Abort}, 1, 0, 5)
	record.SetBaseOffset(marker, 3)
	whole := append(append(bytes.Clone(one), two...), marker...)
	for _, seed := range [][]byte{nil, one, whole, whole[:len(whole)-7], append(bytes.Clone(whole), make([]byte, 100)...)} {
		add(seed)
	}
}

// FuzzRecover opens a partition whose last segment holds anything. It opens or is
// refused as damaged; if it opens, all in it is whole, it can be written, and
// opening it again changes nothing.
func FuzzRecover(f *testing.F) {
	fuzzSeeds(f, func(seed []byte) { f.Add(seed, uint16(0), false); f.Add(seed, uint16(70), true) })
	f.Fuzz(func(t *testing.T, contents []byte, known uint16, seal bool) {
		if seal { // or the fuzzer would never get past a checksum
			contents = bytes.Clone(contents)
			for rest := contents; ; {
				batch, after, err := record.Split(rest)
				if err != nil {
					break
				}
				binary.BigEndian.PutUint32(batch[17:], record.Checksum(batch))
				rest = after
			}
		}
		m := vfs.NewMem()
		n, err := tryDisk(m)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close(-1)
		if err := vfs.MkdirAll(m, testDir); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFile(m, testDir+"00000000000000000000.log", contents); err != nil {
			t.Fatal(err)
		}
		if int(known) <= len(contents) && known > 0 { // a checkpoint that knows a part of it
			x := newSegmentIndex()
			x.offsets = []offsetEntry{{0, 0}}
			none := newProducerTable()
			c := checkpoint{end: 1, index: x, producers: none.encode(1),
				segments: []segment{{end: 1, size: int64(known), maxMs: 1000}}}
			if err := writeFrame(m, testDir+checkpointFile, kindCheckpoint, c.encode()); err != nil {
				t.Fatal(err)
			}
		}
		l, err := n.OpenLog(topic, 0, Config{})
		if errors.Is(err, ErrCorrupt) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		end := l.LogEnd()
		if err := l.Verify(t.Context()); err != nil && known == 0 {
			t.Fatal(err)
		} else if err != nil {
			return // damage that the checkpoint vouched for
		}
		if _, err := l.Append(plainBatch("more"), AppendOptions{LeaderEpoch: max(0, l.LeaderEpoch())}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = n.OpenLog(topic, 0, Config{}); err != nil || l.LogEnd() != end+1 || l.Recovery().CutBytes != 0 {
			t.Fatalf("%v, ends at %d after %d", err, l.LogEnd(), end)
		}
	})
}

// FuzzCaches decodes anything as each of the cache files: what is accepted encodes
// to the same bytes again.
func FuzzCaches(f *testing.F) {
	for _, g := range goldenFiles() {
		payload, err := parseFrame(g.bytes, g.kind)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if p, offset, err := decodeProducers(payload); err == nil && !bytes.Equal(p.encode(offset), payload) && sorted(payload) {
			t.Fatal("producers")
		}
		if c, err := decodeEpochs(payload); err == nil && !bytes.Equal(c.encode(), payload) {
			t.Fatal("epochs")
		}
		if c, err := decodeCheckpoint(payload); err == nil && !bytes.Equal(c.encode(), payload) {
			t.Fatal("checkpoint")
		}
		if id, err := decodeNode(payload); err == nil && !bytes.Equal(encodeNode(id), payload) {
			t.Fatal("node")
		}
		if m, err := decodeSwap(payload); err == nil && !bytes.Equal(m.encode(), payload) {
			t.Fatal("swap")
		}
		d := decoder{b: payload}
		x := newSegmentIndex()
		x.readOffsets(&d, 1<<30)
		x.readTimes(&d)
		x.readAborted(&d)
		if d.end() == nil && !bytes.Equal(x.appendAborted(x.appendTimes(x.appendOffsets(nil))), payload) {
			t.Fatal("index")
		}
	})
}

// sorted reports whether a snapshot's producers are in order; others are accepted,
// but not written.
func sorted(payload []byte) bool {
	d := decoder{b: payload}
	d.i64()
	last := int64(-1)
	for range d.count(producerBytes) {
		id := d.i64()
		if id <= last {
			return false
		}
		last = id
		d.take(producerBytes - 9)
		d.take(int(d.u8()) * seenBytes)
	}
	return true
}
