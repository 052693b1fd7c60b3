package storage

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/vfs"
)

// Space is how large the volume of the data directory is and how much of it is
// free, in bytes; -1 is not known.
type Space struct{ Total, Free int64 }

// Space asks the file system, which may take as long as the disk likes.
func (d *Disk) Space() (Space, error) {
	s := Space{Total: -1, Free: -1}
	free, err := d.o.FS.Free(d.o.Dir)
	if err != nil {
		return s, fmt.Errorf("free space of %s: %w", d.o.Dir, err)
	}
	s.Free = int64(min(free, 1<<63-1))
	total, err := vfs.Total(d.o.FS, d.o.Dir)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return s, nil
	case err != nil:
		return s, fmt.Errorf("size of the volume of %s: %w", d.o.Dir, err)
	}
	s.Total = int64(min(total, 1<<63-1))
	return s, nil
}
