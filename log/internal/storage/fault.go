package storage

import (
	"errors"
	"fmt"
	"syscall"
)

// diskError is a failed call of the file system that changes something. Inner
// functions return it; who holds no lock any more decides with ioError what it
// means.
type diskError struct{ err error }

func (e *diskError) Error() string { return e.err.Error() }

func (e *diskError) Unwrap() error { return e.err }

// onDisk marks an error of such a call.
func onDisk(what string, err error) error {
	if err == nil {
		return nil
	}
	return &diskError{fmt.Errorf("%s: %w", what, err)}
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// ioError tells a full disk, which the log survives, from a failed one, which
// nobody does. Other errors pass. The caller holds no lock.
func (d *Disk) ioError(err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		d.refusedFor(err)
		return fmt.Errorf("%w: %w: make room on the disk of %s", ErrFull, err, d.o.Dir)
	}
	var failed *diskError
	if errors.As(err, &failed) {
		return d.fail(failed.err)
	}
	return err
}

// measure looks up the free space.
func (d *Disk) measure() error {
	n, err := d.o.FS.Free(d.o.Dir)
	if err != nil {
		return fmt.Errorf("free space: %w", err)
	}
	d.free.Store(n)
	return nil
}

// spend takes an append off the free space until the next look.
func (d *Disk) spend(bytes int) {
	for {
		have := d.free.Load()
		if d.free.CompareAndSwap(have, have-min(have, uint64(bytes))) {
			return
		}
	}
}

// admitClient refuses appends of clients on a disk whose rest is kept for those
// without which space never comes back: offsets, transactions, replication.
func (d *Disk) admitClient(bytes int) error {
	need := d.o.MinFreeBytes + uint64(bytes)
	if d.free.Load() >= need {
		return nil
	}
	if err := d.measure(); err != nil {
		return err
	}
	have := d.free.Load()
	if have >= need {
		return nil
	}
	err := fmt.Errorf("%w: %d bytes are left and %d are kept for the node itself: make room on the disk of %s",
		ErrFull, have, d.o.MinFreeBytes, d.o.Dir)
	d.refusedFor(err)
	return err
}
