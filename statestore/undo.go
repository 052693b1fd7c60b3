package statestore

import "bytes"

// The undo list of a table holds, for every row that the open epoch wrote to, what
// it was before: [id, meta, value words...]. The first write of an epoch to a row
// (touch) adds the record; that a row has one is seen by its mark.
//
// Byte strings are not saved. The arena never overwrites what is older than the
// epoch, so the old refs are enough.

const (
	undoID = iota
	undoMeta
	undoHeader
)

func (t *Table) undoStride() int { return undoHeader + int(t.width) - rowHeader }

// touch makes a row written to and live: it saves the row, unless this epoch has
// done so before, and brings a dead row to life with a value of zeros.
func (t *Table) touch(at uint32) error {
	row := t.rows[at : at+t.width]
	task := t.family.view.task
	before := cap(t.undo)
	if mark := uint64(task.mark); row[rowMeta]&markMask != mark {
		if len(t.undo) == 0 {
			task.touched = append(task.touched, t)
		}
		t.undo = append(t.undo, uint64(at/t.width), row[rowMeta])
		t.undo = append(t.undo, row[rowHeader:]...)
		row[rowMeta] = row[rowMeta]&^markMask | mark
	}
	if row[rowMeta]&flagLive == 0 {
		t.revive(at / t.width)
	}
	if cap(t.undo) != before {
		return t.account()
	}
	return nil
}

// change is what an epoch did to one key.
type change uint8

const (
	unchanged change = iota
	changed          // live before or not, now live with another value
	removed          // was live
	vanished         // made and removed within the epoch
)

// eachTouched calls fn for every row that the epoch wrote to, in the order of first
// writes.
func (t *Table) eachTouched(fn func(id uint32, row []uint64, what change) error) error {
	stride := t.undoStride()
	for i := 0; i < len(t.undo); i += stride {
		rec := t.undo[i : i+stride]
		id := uint32(rec[undoID])
		row := t.row(id)
		if err := fn(id, row, t.compareUndo(rec, row)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) compareUndo(rec, row []uint64) change {
	was, is := rec[undoMeta]&flagLive != 0, row[rowMeta]&flagLive != 0
	switch {
	case !was && !is:
		return vanished
	case was && !is:
		return removed
	case !was:
		return changed
	}
	firstBlob := int(t.width) - rowHeader - t.family.layout.Blobs
	for i, before := range rec[undoHeader:] {
		after := row[rowHeader+i]
		if before == after || i >= firstBlob && before != 0 && after != 0 && bytes.Equal(t.arena.get(before), t.arena.get(after)) {
			continue
		}
		return changed
	}
	return unchanged
}

// commitTouched makes the epoch's writes final: what changed waits for a
// checkpoint, what left no trace is freed.
func (t *Table) commitTouched() {
	_ = t.eachTouched(func(id uint32, row []uint64, what change) error {
		switch {
		case what == unchanged:
		case row[rowMeta]&(flagLive|flagDisk) == 0:
			t.clean(row)
			t.release(id)
		case row[rowMeta]&flagDirty == 0:
			row[rowMeta] |= flagDirty
			t.dirty++
		}
		return nil
	})
	t.undo = t.undo[:0]
	t.created = false
	t.arena.commit()
	if t.arena.wasteful() {
		t.compact()
	}
	_ = t.account() // only growth can fail
}

// clean takes the dirty flag from a row.
func (t *Table) clean(row []uint64) {
	if row[rowMeta]&flagDirty != 0 {
		row[rowMeta] &^= flagDirty
		t.dirty--
	}
}

// compact rewrites the arena without its garbage. It runs between epochs, when no
// undo record holds a ref.
func (t *Table) compact() {
	old := t.arena
	t.arena = arena{data: make([]byte, 0, len(old.data)-old.dead+len(old.data)/8)}
	for id := range t.next {
		row := t.row(id)
		if row[rowMeta] == 0 { // free
			continue
		}
		if row[rowMeta]&keyLenMask == longKey<<keyLenShift {
			row[rowKey1] = t.arena.add(old.get(row[rowKey1]))
		}
		for i, ref := range t.blobWords(row) {
			if ref != 0 {
				t.blobWords(row)[i] = t.arena.add(old.get(ref))
			}
		}
	}
	t.arena.commit()
}

// rollback puts every row back to what it was before the epoch.
func (t *Table) rollback() {
	stride := t.undoStride()
	for i := 0; i < len(t.undo); i += stride {
		rec := t.undo[i : i+stride]
		id := uint32(rec[undoID])
		row := t.row(id)
		was, is := rec[undoMeta]&flagLive != 0, row[rowMeta]&flagLive != 0
		if is && !was && t.order != nil {
			t.order.remove(id)
		}
		row[rowMeta] = rec[undoMeta]
		copy(row[rowHeader:], rec[undoHeader:])
		switch {
		case was && !is:
			t.live++
		case !was && is:
			t.live--
		}
		if was && !is && t.order != nil {
			t.order.insert(id)
		}
		if row[rowMeta]&(flagLive|flagDisk) == 0 {
			t.release(id)
		}
	}
	t.undo = t.undo[:0]
	t.arena.abort()
}
