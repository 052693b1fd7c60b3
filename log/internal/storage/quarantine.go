package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/millrace/millrace/internal/vfs"
)

// What does not fit is never deleted: it goes to quarantine/, under a name that
// says where it came from, and a person decides. Nothing ever reads it back.

// keepName is a free name in quarantine/.
func (d *Disk) keepName(what string) (string, error) {
	name := d.o.Dir + "/" + quarantineDir + "/" + what
	for i := 0; ; i++ {
		try := name
		if i > 0 {
			try = fmt.Sprintf("%s.%d", name, i)
		}
		if _, err := d.o.FS.Stat(try); errors.Is(err, fs.ErrNotExist) {
			return try, nil
		} else if err != nil {
			return "", err
		}
	}
}

// setAside moves a file or directory to quarantine/, durably.
func (d *Disk) setAside(name, what string) (kept string, err error) {
	kept, err = d.keepName(what)
	if err != nil {
		return "", err
	}
	if err := d.o.FS.Rename(name, kept); err != nil {
		return "", err
	}
	if err := d.o.FS.SyncDir(path.Dir(kept)); err != nil {
		return "", err
	}
	return kept, d.o.FS.SyncDir(path.Dir(name))
}

// copyAside copies what stands in a file from a position on to quarantine/,
// durably.
func (d *Disk) copyAside(from vfs.File, pos, size int64, what string) (kept string, err error) {
	kept, err = d.keepName(what)
	if err != nil {
		return "", err
	}
	to, err := d.o.FS.Create(kept)
	if err != nil {
		return "", err
	}
	buf := make([]byte, min(size-pos, scanBuffer))
	for pos < size && err == nil {
		var n int
		n, err = from.ReadAt(buf[:min(int64(len(buf)), size-pos)], pos)
		if n > 0 {
			pos += int64(n)
			err = nil
			_, err = to.Write(buf[:n])
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil {
		err = to.SyncData()
	}
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = d.o.FS.Remove(kept) // the original is still where it was
		return "", err
	}
	return kept, d.o.FS.SyncDir(path.Dir(kept))
}
