package vfs

import (
	"errors"
	"testing"
)

func TestTotal(t *testing.T) {
	dir := t.TempDir()
	total, err := Total(OS(), dir)
	if err != nil {
		t.Fatal(err)
	}
	free, err := OS().Free(dir)
	if err != nil || free > total || total == 0 {
		t.Fatalf("%d bytes of %d are free, %v", free, total, err)
	}
	if _, err := Total(OS(), dir+"/nowhere"); err == nil {
		t.Error("a directory that is not there has a size")
	}
	if _, err := Total(NewMem(), "dir"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("memory: %v", err)
	}
}
