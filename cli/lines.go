package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// Bounds of what lines reads ahead.
const (
	maxLine  = 16 << 20 // one line
	maxChunk = 1 << 20  // lines handed over together; one line may be longer
)

// lines reads lines and hands them over in chunks, each of what is there without
// waiting, so that a fast input comes in large chunks and a slow one line by line.
//
// A read of a terminal or a pipe cannot be interrupted, so it has a goroutine of
// its own. It holds at most one chunk ahead and ends with the input, or with the
// next line after done is closed.
type lines struct {
	chunks chan [][]byte
	done   chan struct{}
	err    error // valid once chunks is closed
}

func readLines(in io.Reader) *lines {
	l := &lines{chunks: make(chan [][]byte), done: make(chan struct{})}
	go l.read(bufio.NewReaderSize(in, 256<<10))
	return l
}

// stop tells the reading goroutine that nobody listens any more.
func (l *lines) stop() { close(l.done) }

func (l *lines) read(in *bufio.Reader) {
	defer close(l.chunks)
	var chunk [][]byte
	size := 0
	for {
		line, err := readLine(in)
		if err == nil || len(line) > 0 {
			chunk, size = append(chunk, line), size+len(line)
		}
		if err == nil && size < maxChunk && hasLine(in) {
			continue
		}
		if len(chunk) > 0 {
			if !l.hand(chunk) {
				return
			}
			chunk, size = nil, 0
		}
		if err != nil {
			if err != io.EOF {
				l.err = err
			}
			return
		}
	}
}

// hand waits until the chunk is taken; false says that nobody will take another.
func (l *lines) hand(chunk [][]byte) bool {
	select {
	case l.chunks <- chunk:
	case <-l.done:
		return false
	}
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

// readLine is the next line without its end, "\n" or "\r\n". The last one of an
// input may have none and then comes with io.EOF.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, fmt.Errorf("a line is longer than %d MiB", maxLine>>20)
		}
		line = append(line, part...)
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == nil {
			line = line[:len(line)-1]
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
		}
		return line, err
	}
}

// hasLine says whether a whole line can be read without waiting.
func hasLine(in *bufio.Reader) bool {
	ahead, _ := in.Peek(in.Buffered())
	return bytes.IndexByte(ahead, '\n') >= 0
}
