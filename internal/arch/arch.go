// Package arch holds the rules of the house and a check of them that runs as a
// test: which room may import which, where heavy modules may stand, how long a
// file may be. The rules are the tables in rooms.go; a new package fails the
// test until it has a floor there.
package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Check reads every Go file of a repository and returns what breaks the rules,
// sorted. It needs no build: files are only parsed.
//
//  1. A package imports only packages of this module on lower floors. A circle of
//     rooms needs an arrow upwards, so there is none.
//  2. Every package with Go files is in a room.
//  3. Nobody imports the standard library's log.
//  4. Kept modules stay with their keepers.
//  5. A file is not longer than its limit.
//  6. A package has a comment that begins "Package x", or "Command x" for a main.
//  7. No file puts work off with a TODO or a FIXME.
//
// Test files may import anything but the standard log: they wire rooms together
// to see them work.
func Check(repository fs.FS) ([]string, error) {
	c := checker{packages: map[string]*pkg{}}
	err := fs.WalkDir(repository, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return c.enter(repository, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(repository, name)
		if err != nil {
			return err
		}
		return c.file(name, text)
	})
	if err != nil {
		return nil, err
	}
	c.comments()
	slices.Sort(c.faults)
	return c.faults, nil
}

type checker struct {
	packages map[string]*pkg // by directory
	faults   []string
}

// pkg is what is remembered of a package until all its files are read.
type pkg struct {
	name      string
	commented bool
}

func (c *checker) faultf(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// enter skips what is not part of the module.
func (c *checker) enter(repository fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(repository, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir // a module of its own
	}
	return nil
}

func (c *checker) file(name string, text []byte) error {
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return fmt.Errorf("arch: %w", err)
	}
	dir, test := path.Dir(name), strings.HasSuffix(name, "_test.go")
	c.length(name, text, test)
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("arch: %s: %w", name, err)
		}
		c.imports(name, dir, imported, test)
	}
	for _, word := range []string{"TODO", "FIXME"} {
		if bytes.Contains(text, []byte("// "+word)) {
			c.faultf("%s: puts work off with %s; do it or file an issue", name, word)
		}
	}
	if test {
		return nil
	}
	p := c.packages[dir]
	if p == nil {
		p = &pkg{name: f.Name.Name}
		c.packages[dir] = p
		if _, known := roomOf(dir); !known {
			c.faultf("%s: no room for this package; give it a floor in internal/arch/rooms.go", dir)
		}
	}
	p.commented = p.commented || describes(f)
	return nil
}

// describes says whether a file has the package's comment.
func describes(f *ast.File) bool {
	first := "Package " + f.Name.Name + " "
	if f.Name.Name == "main" {
		first = "Command "
	}
	return f.Doc != nil && strings.HasPrefix(f.Doc.Text(), first)
}

func (c *checker) comments() {
	for dir, p := range c.packages {
		if !p.commented {
			c.faultf("%s: package %s has no comment that says what it is", dir, p.name)
		}
	}
}

func (c *checker) length(name string, text []byte, test bool) {
	limit := maxLines
	if test {
		limit = maxTestLines
	}
	if n := bytes.Count(text, []byte("\n")); n > limit {
		c.faultf("%s: has %d lines, more than %d; divide it by concept", name, n, limit)
	}
}

// imports checks one import.
func (c *checker) imports(name, dir, imported string, test bool) {
	if imported == "log" {
		c.faultf("%s: imports the standard library's log; use log/slog", name)
		return
	}
	if test {
		return
	}
	c.kept(name, dir, imported)
	target, ours := strings.CutPrefix(imported, module+"/")
	if !ours || target == dir {
		return
	}
	from, _ := roomOf(dir)
	to, known := roomOf(target)
	if known && to.Floor >= from.Floor {
		c.faultf("%s: %s imports %s, which does not stand below it", name, dir, target)
	}
}

// kept checks an import of a module that has keepers.
func (c *checker) kept(name, dir, imported string) {
	for kept, keepers := range Keepers {
		if imported != kept && (!strings.HasPrefix(imported, kept+"/") || strings.HasPrefix(kept, module)) {
			continue
		}
		if !slices.ContainsFunc(slices.Concat(keepers, free), func(p string) bool { return Room{Path: p}.holds(dir) }) {
			c.faultf("%s: %s imports %s, which belongs to %s", name, dir, kept, belongs(keepers))
		}
	}
}

func belongs(keepers []string) string {
	if len(keepers) == 0 {
		return "tests"
	}
	return strings.Join(keepers, ", ")
}

// roomOf is the room of a directory; one that names it exactly comes first.
func roomOf(dir string) (Room, bool) {
	for _, exact := range []bool{true, false} {
		for _, r := range House {
			if exact && r.Path == dir || !exact && r.holds(dir) {
				return r, true
			}
		}
	}
	return Room{}, false
}

// holds says whether a directory is in the room.
func (r Room) holds(dir string) bool {
	if all, ok := strings.CutSuffix(r.Path, "/..."); ok {
		return dir == all || strings.HasPrefix(dir, all+"/")
	}
	if parent, ok := strings.CutSuffix(r.Path, "/*"); ok {
		return path.Dir(dir) == parent
	}
	return r.Path == dir
}
