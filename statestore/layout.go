package statestore

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/zeebo/xxh3"
)

// LayoutError says that an operator's stored state has another format than the
// operator reads.
type LayoutError struct {
	Operator      string
	StoredVersion int
	StoredLayout  string
	Version       int
	Layout        string
}

func (e *LayoutError) Error() string {
	return fmt.Sprintf("operator %s: its state was written as version %d of %q and the pipeline now needs version %d of %q; rename the operator to start it without state, or go back to the old definition",
		e.Operator, e.StoredVersion, e.StoredLayout, e.Version, e.Layout)
}

// CheckLayout compares the operator's state format with what the stored state was
// written with, and records it, as part of the open epoch, in partitions that have
// no record yet. A difference is a *LayoutError; so is state of another version
// without Migrate.
func (v *View) CheckLayout(version int, layout string) error {
	ts, err := v.tables(spaceLayout, kvLayout)
	if err != nil {
		return err
	}
	want := string(binary.AppendUvarint(nil, uint64(version))) + layout
	t := ts.At(0)
	for _, p := range v.task.partitions {
		if slot, ok := t.lookup(p, nil); ok {
			if stored := string(t.Blob(slot, 0)); stored != want {
				n, size := binary.Uvarint([]byte(stored))
				return &LayoutError{Operator: v.operator, StoredVersion: int(n), StoredLayout: strings.Clone(stored[max(size, 0):]), Version: version, Layout: layout}
			}
			continue
		}
		slot, err := t.upsertKey(p, nil, xxh3.Hash(nil))
		if err != nil {
			return err
		}
		if err := t.SetBlob(slot, 0, []byte(want)); err != nil {
			return err
		}
	}
	return nil
}
