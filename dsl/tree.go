package dsl

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/operators/spec"
)

// shape is what a value is in YAML.
type shape uint8

const (
	isNull shape = iota
	isScalar
	isMapping
	isList
)

func (s shape) String() string {
	return [...]string{"nothing", "a single value", "a mapping", "a list"}[s]
}

// tree is a YAML value with its place: the one form in which the rest of the
// package sees the file. Aliases are expanded, environment variables filled in,
// duplicate keys already reported and left out.
type tree struct {
	shape   shape
	pos     spec.Pos
	text    string // of a scalar
	plain   bool   // a scalar without quotes or block
	flow    bool   // a mapping or list in braces
	cut     bool   // a plain scalar directly followed by a comment
	tag     string // an explicit tag, as written
	bad     bool   // a fault is already reported in it: it is not judged further
	entries []member
	items   []*tree
	locate  func(int) spec.Pos // of a scalar
}

// member is one key of a mapping.
type member struct {
	key   string
	pos   spec.Pos
	value *tree
}

// get is the value of a key, or nil.
func (t *tree) get(key string) *tree {
	for _, m := range t.entries {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// parseTree reads the file's only YAML document. It returns nil if there is no
// usable one; the reason is then among the file's faults.
func parseTree(f *file, text []byte) *tree {
	if len(text) > maxFileBytes {
		f.faultf(f.pos(1, 1), "too-large", "the file has %d bytes; a pipeline may have at most %d", len(text), maxFileBytes)
		return nil
	}
	if !utf8.Valid(text) {
		f.faultf(f.firstInvalid(text), "encoding", "this is not UTF-8")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	doc, err := decodeNode(decoder)
	if errors.Is(err, io.EOF) {
		f.faultf(f.pos(1, 1), "empty", "the file is empty").Hint = "a pipeline begins with `pipeline: <name>`"
		return nil
	} else if err != nil {
		f.explainYAML(err)
		return nil
	}
	if next, err := decodeNode(decoder); err == nil {
		f.faultf(f.pos(next.Line, max(next.Column, 1)), "one-document", "a second YAML document begins here").Hint = "put each pipeline into a file of its own"
		return nil
	} else if !errors.Is(err, io.EOF) {
		f.explainYAML(err)
		return nil
	}
	if len(doc.Content) == 0 {
		f.faultf(f.pos(1, 1), "empty", "the file is empty").Hint = "a pipeline begins with `pipeline: <name>`"
		return nil
	}
	b := builder{f: f, left: maxValues}
	t := b.build(doc.Content[0], 1)
	if b.refused {
		return nil
	}
	return t
}

// decodeNode reads one document. The library reports broken YAML as an error, but
// has known inputs on which it panics instead; a pipeline file is input like any
// other and must not end the process.
func decodeNode(d *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = nil, errors.New("yaml: this cannot be read as YAML")
		}
	}()
	doc = new(yaml.Node)
	err = d.Decode(doc)
	return doc, err
}

// firstInvalid is the place of the first byte that is not UTF-8.
func (f *file) firstInvalid(text []byte) spec.Pos {
	line, col := 1, 1
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			break
		}
		text, col = text[size:], col+1
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return f.pos(line, col)
}

// builder turns the library's nodes into a tree within the limits.
type builder struct {
	f       *file
	left    int // values that may still be built
	refused bool
}

func (b *builder) build(n *yaml.Node, depth int) *tree {
	t := &tree{pos: b.f.pos(n.Line, n.Column)}
	b.left--
	if b.left < 0 || depth > maxDepth {
		b.refuse(t.pos, depth)
		return t
	}
	switch n.Kind {
	case yaml.AliasNode:
		expanded := b.build(n.Alias, depth+1)
		expanded.pos = t.pos
		return expanded
	case yaml.MappingNode:
		t.shape, t.flow = isMapping, n.Style&yaml.FlowStyle != 0
		b.mapping(t, n, depth)
	case yaml.SequenceNode:
		t.shape, t.flow = isList, n.Style&yaml.FlowStyle != 0
		for _, item := range n.Content {
			if b.refused {
				break
			}
			child := b.build(item, depth+1)
			t.items = append(t.items, child)
			t.bad = t.bad || child.bad
		}
	case yaml.ScalarNode:
		b.scalar(t, n)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		t.tag = n.Tag
	}
	return t
}

// refuse reports once that the file is beyond the limits.
func (b *builder) refuse(p spec.Pos, depth int) {
	if b.refused {
		return
	}
	b.refused = true
	if depth > maxDepth {
		b.f.faultf(p, "too-deep", "values are nested deeper than %d levels here", maxDepth)
		return
	}
	b.f.faultf(p, "too-many-values", "the file has more than %d values, aliases counted at each use", maxValues)
}

func (b *builder) mapping(t *tree, n *yaml.Node, depth int) {
	first := map[string]spec.Pos{}
	for i := 0; i+1 < len(n.Content) && !b.refused; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		p := b.f.pos(key.Line, key.Column)
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			b.f.faultf(p, "key", "a key must be a single word, not %s", map[yaml.Kind]shape{yaml.MappingNode: isMapping, yaml.SequenceNode: isList}[key.Kind])
			t.bad = true
			continue
		case key.Tag == "!!merge" || key.Value == "<<":
			b.f.faultf(p, "merge-key", "merge keys (<<) are not part of a pipeline file").Hint = "write the keys out, or use an alias for a whole value"
			t.bad = true
			continue
		}
		if before, dup := first[key.Value]; dup {
			b.f.faultf(p, "duplicate-key", "%q stands twice in this mapping, first on line %d", key.Value, before.Line)
			continue
		}
		first[key.Value] = p
		m := member{key.Value, p, b.build(value, depth+1)}
		if t.flow && m.value.shape == isNull && b.afterComma(t, m) {
			continue
		}
		t.entries = append(t.entries, m)
		t.bad = t.bad || m.value.bad
	}
}

// afterComma finds keys without value that are no keys: in `{a: max(x, y)}` YAML
// ends the value at the comma and reads `y)` as a key. What it belongs to is the
// value before it, whose brackets are open.
func (b *builder) afterComma(t *tree, m member) bool {
	if len(t.entries) == 0 {
		return false
	}
	before := t.entries[len(t.entries)-1]
	v := before.value
	if v.shape != isScalar || !v.plain || balanced(v.text) {
		return false
	}
	if !v.bad {
		b.f.faultf(v.pos, "yaml-flow", "inside {...} YAML ends a value at the comma, so %s is only %q", before.key, v.text).Hint =
			"quote this expression, or write the mapping over several lines"
	}
	v.bad, t.bad = true, true
	v.text += ", " + m.key
	return true
}

func (b *builder) scalar(t *tree, n *yaml.Node) {
	t.plain = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	if t.plain && n.Tag == "!!null" {
		t.shape = isNull
		return
	}
	t.shape, t.text = isScalar, n.Value
	f := b.f
	t.locate = lazily(func() func(int) spec.Pos {
		if at := locator(f, n); at != nil {
			return at
		}
		return func(int) spec.Pos { return f.pos(n.Line, n.Column) }
	})
	t.cut = t.plain && n.LineComment != ""
	b.f.substitute(t)
}

// lazily makes a locator that does its work when the first place is asked for:
// most scalars never appear in a message.
func lazily(prepare func() func(int) spec.Pos) func(int) spec.Pos {
	var at func(int) spec.Pos
	return func(offset int) spec.Pos {
		if at == nil {
			at = prepare()
		}
		return at(offset)
	}
}
