package statestore

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// A timer is a key without a value whose first eight bytes are its time, so that
// the order of keys is the order of firing. Setting, firing and taking back are
// ordinary writes: an abort takes them back, the changelog carries them.

var timerLayout = Layout{}

const timeBytes = 8

func (v *View) timers() (*Table, error) {
	ts, err := v.tables(spaceTimers, timerLayout)
	if err != nil {
		return nil, err
	}
	t := ts.At(0)
	if t.order == nil {
		t.order = newOrder(t, true)
	}
	return t, nil
}

func (v *View) timerKey(t int64, key []byte) []byte {
	v.scratch = binary.BigEndian.AppendUint64(v.scratch[:0], uint64(t)^1<<63)
	v.scratch = append(v.scratch, key...)
	return v.scratch
}

// SetTimer asks for a call of Operator.Timer(partition, key, t) once the watermark
// is >= t. Setting it twice is setting it once. The errors are those of Put.
func (v *View) SetTimer(partition int32, t int64, key []byte) error {
	timers, err := v.timers()
	if err != nil {
		return err
	}
	if !v.task.owns(partition) {
		return v.stranger(partition)
	}
	k := v.timerKey(t, key)
	_, err = timers.upsertKey(partition, k, xxh3.Hash(k))
	return err
}

// DeleteTimer takes a timer back; one that is not set is no error.
func (v *View) DeleteTimer(partition int32, t int64, key []byte) error {
	timers, err := v.timers()
	if err != nil {
		return err
	}
	if slot, ok := timers.lookup(partition, v.timerKey(t, key)); ok {
		return timers.remove(slot)
	}
	return nil
}

// PopTimer takes out and returns the first timer with time <= upTo in (time, key,
// partition) order; ok is false if there is none. It is the engine's, in a loop
// before Operator.Watermark: a timer that fires may set another that is due. key is
// lent until the next PopTimer.
func (v *View) PopTimer(upTo int64) (partition int32, t int64, key []byte, ok bool, err error) {
	if v.spaces[spaceTimers] == nil {
		return 0, 0, nil, false, nil
	}
	timers, err := v.timers()
	if err != nil {
		return 0, 0, nil, false, err
	}
	id, any := timers.order.first()
	if !any {
		return 0, 0, nil, false, nil
	}
	row := timers.row(id)
	t = int64(row[rowKey0] ^ 1<<63)
	if t > upTo {
		return 0, 0, nil, false, nil
	}
	partition = rowPartition(row[rowMeta])
	v.popped = timers.appendKey(v.popped[:0], row)
	if err := timers.remove(id*timers.width + rowHeader); err != nil {
		return 0, 0, nil, false, err
	}
	return partition, t, v.popped[timeBytes:], true, nil
}
