package meta

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// DamageError refuses a metadata log that is not what was written. It is ErrCorrupt.
type DamageError struct {
	// Dir is the directory of the log.
	Dir string
	// Fault is the first one; Verify tells all.
	Fault Fault
}

func (e *DamageError) Error() string {
	where := "the metadata log in " + e.Dir + " is damaged"
	switch {
	case e.Fault.Kind == Replaceable:
		where = "the metadata log in " + e.Dir + " cannot be opened because of " + e.Fault.File
	case e.Fault.Position > 0:
		where += fmt.Sprintf(" from byte %d of %s on", e.Fault.Position, e.Fault.File)
	case e.Fault.File != "":
		where += " in " + e.Fault.File
	}
	return fmt.Sprintf("%s: %s; nothing there was changed or deleted: %s (`millrace log verify %s` reads the whole data directory and says what else is damaged)",
		where, e.Fault.What, e.Fault.Do, path.Dir(e.Dir))
}

// Is makes it ErrCorrupt.
func (e *DamageError) Is(target error) bool { return target == ErrCorrupt }

// Kind is what a fault means for whoever opens the log.
type Kind uint8

// The kinds of faults.
const (
	// Damaged: something that was saved cannot be read any more.
	Damaged Kind = iota
	// Newer: a newer program wrote it.
	Newer
	// Replaceable: a file that refuses the start, but holds nothing that was saved.
	Replaceable
	// Unknown: nobody knows it, and it is in nobody's way.
	Unknown
)

// Fault is one thing that is wrong with a metadata log.
type Fault struct {
	Kind Kind
	// File is its name in the log's directory, "" if it is not known which one it is.
	// Position is the byte from which on it cannot be read, 0 if that is not known.
	File     string
	Position int64
	// What is wrong, and what an operator can do about it.
	What string
	Do   string

	cause error
}

// What to do about the kinds of faults.
var advice = map[Kind]string{
	Damaged: "restore that directory as a whole from a backup made while the node was stopped; on a cluster's only node there is no other copy",
	Newer:   "start the newer millrace that wrote it",
	Replaceable: "move that file away: it holds only the settings of the program that ran last, " +
		"and each start writes it anew",
	Unknown: "nothing",
}

// faultOf decides what kind of fault an error is that came up while a log was read.
// One that says that the disk cannot be read, or not by us, is none.
func faultOf(err error) (f Fault, isFault bool) {
	f = Fault{What: sentence(err), cause: err}
	var errno syscall.Errno
	switch {
	case errors.Is(err, ErrUnknownRecord):
		f.Kind = Newer
	case errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return f, false
	}
	f.Do = advice[f.Kind]
	return f, true
}

// err is the error of an open that met the fault.
func (f Fault) err(dir string) error {
	switch f.Kind {
	case Newer:
		return fmt.Errorf("metadata log in %s: %w", dir, f.cause)
	case Unknown:
		return nil
	}
	return &DamageError{Dir: dir, Fault: f}
}

// sentence is an error's text in one line, without the traces that Pebble's carry.
func sentence(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "<") {
			parts = append(parts, line)
		}
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), ErrCorrupt.Error()+": ", "") // which whoever reads it knows
}
