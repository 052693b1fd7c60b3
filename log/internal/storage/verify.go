package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Verify reads the whole log and checks every batch. Damage puts the log out of
// service and is ErrCorrupt.
func (l *Log) Verify(ctx context.Context) error {
	return l.settle("verify", l.verify(ctx))
}

func (l *Log) verify(ctx context.Context) error {
	for offset := l.LogStart(); ; {
		v, err := l.view(offset, offset+1, false)
		if v == nil {
			return err // the end
		}
		err = v.scan(ctx)
		v.release()
		if err != nil {
			if err = v.explain(err); errors.Is(err, errMoved) {
				continue
			}
			return err
		}
		offset = v.end
	}
}

// scan checks every batch of a segment.
func (v *view) scan(ctx context.Context) error {
	sc := newScanner(v.handle.file, 0, v.size, v.handle.seg.base)
	for ctx.Err() == nil {
		_, _, err := sc.batch()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, errBad):
			return &CorruptError{File: v.handle.file.Name(), Position: sc.pos, Durable: v.end, Cause: err}
		case err != nil:
			return fmt.Errorf("read %s: %w", v.handle.file.Name(), err)
		}
	}
	return ctx.Err()
}
