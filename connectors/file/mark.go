package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// mark is the note beside a file that a pipeline writes to for the first time.
type mark struct {
	Owner  string `json:"owner"`
	Length int64  `json:"length"` // of the file before
}

// markPath is where the mark of a file stands.
func markPath(path string) string { return path + ".millrace" }

// writeMark makes a mark durable: it is there whole or not at all.
func writeMark(path string, m mark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	next := markPath(path) + ".new"
	f, err := os.Create(next)
	if err != nil {
		return fmt.Errorf("note the length of %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(next, markPath(path))
	}
	if err != nil {
		return fmt.Errorf("note the length of %s: %w", path, err)
	}
	return syncDir(path)
}

func readMark(path string) (m mark, found bool, err error) {
	text, err := os.ReadFile(markPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, false, fmt.Errorf("read %s: %w", markPath(path), err)
	}
	return m, true, nil
}

func removeMark(path string) error {
	if err := os.Remove(markPath(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the note of the length of %s: %w", path, err)
	}
	return nil
}

// syncDir makes the names in a file's directory durable.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
