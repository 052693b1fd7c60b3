package storage

import (
	"fmt"

	"github.com/millrace/millrace/log/record"
)

// smallWrite is up to where a batch is copied behind its header and written at
// once; above it, two writes cost less than the copy.
const smallWrite = 32 << 10

// write puts the planned batches at the end of the last segment's file, or
// nothing. Needs writing.
func (l *Log) write(batches []byte, origin Origin) error {
	var err error
	if origin == Replication {
		_, err = l.active.Write(batches)
	} else {
		err = l.writeStamped()
	}
	if err == nil {
		return nil
	}
	l.mu.Lock()
	size := l.segments[len(l.segments)-1].size
	l.mu.Unlock()
	if cerr := l.active.Truncate(size); cerr != nil {
		return &diskError{fmt.Errorf("write: %v; and cutting it off again: %v", err, cerr)}
	}
	return onDisk("write", err)
}

// writeStamped writes own headers and the given records. Needs writing.
func (l *Log) writeStamped() error {
	l.buf = l.buf[:0]
	for i := range l.planned {
		p := &l.planned[i]
		at := len(l.buf)
		small := len(p.raw) <= smallWrite
		if small {
			l.buf = append(l.buf, p.raw...)
		} else {
			l.buf = append(l.buf, p.raw[:record.HeaderSize]...)
		}
		head := l.buf[at:]
		p.header.Put(head)
		if p.stamp {
			p.header.CRC = record.ChecksumParts(head, p.raw[record.HeaderSize:])
			p.header.Put(head)
		}
		if small && len(l.buf) < smallWrite {
			continue
		}
		if err := l.flush(); err != nil {
			return err
		}
		if !small {
			if _, err := l.active.Write(p.raw[record.HeaderSize:]); err != nil {
				return err
			}
		}
	}
	return l.flush()
}

func (l *Log) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	_, err := l.active.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// openActive opens the last segment for appending, if it is not. Needs writing.
func (l *Log) openActive() error {
	if l.active != nil {
		return nil
	}
	l.mu.Lock()
	s := l.segments[len(l.segments)-1]
	l.mu.Unlock()
	f, err := l.disk.o.FS.OpenAppend(s.path + logSuffix)
	if err != nil {
		return onDisk("open segment", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active = f
	return nil
}
