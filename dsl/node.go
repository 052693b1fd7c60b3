package dsl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/operators/spec"
)

// A draft is a node while it is being read: what the file says of it, before
// names are resolved and schemas known.
type draft struct {
	*Node
	from    map[string][]reference // by input; "" is the only input of most verbs
	fromPos spec.Pos
	verbPos spec.Pos
	format  *tree
	schema  *columnar.Schema // as declared; nil if it is not
	own     *Policy          // the node's own on_error
	ownPos  spec.Pos
	broken  bool // has a fault, or reads a node that has: it is not planned
	decided bool // rows that leave it have been divided into accepted and late
	late    bool // its rows come from a `.late` port
}

// reference is a name in `from`.
type reference struct {
	text string
	pos  spec.Pos
}

var nodeName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

const (
	maxNameLength = 64
	errorsName    = "errors"
	latePort      = "late"
	errorsPort    = "errors"
)

// section reads the nodes of one kind. Each is read whatever the others hold.
func (r *reader) section(k Kind, t *tree) {
	what := k.String() + "s"
	if t == nil || t.shape == isNull {
		if t != nil && k != Operator {
			r.faultf(t.pos, "missing-key", "%s is empty; a pipeline has at least one %s", what, k)
		}
		return
	}
	if t.shape != isMapping {
		r.faultf(t.pos, "type", "%s takes a mapping from names to %s, not %s", what, what, t.shape)
		return
	}
	if len(t.entries) == 0 && k != Operator {
		r.faultf(t.pos, "missing-key", "%s is empty; a pipeline has at least one %s", what, k)
	}
	for _, m := range t.entries {
		r.node(k, m)
	}
}

// node reads one node: the common keys of its kind and exactly one verb.
func (r *reader) node(k Kind, m member) {
	before := r.count
	d := &draft{Node: &Node{Name: m.key, Kind: k, Pos: m.pos}, fromPos: m.pos, verbPos: m.pos}
	r.checkName(d)
	if m.value.shape != isMapping {
		r.faultf(m.value.pos, "type", "%s takes a mapping with a verb, not %s", m.key, m.value.shape).Hint = r.verbHint(k)
	} else {
		r.nodeKeys(d, m.value)
	}
	d.broken = r.count != before || m.value.bad
	r.drafts = append(r.drafts, d)
	switch {
	case k == Sink:
		r.sinks[m.key] = d
	case r.byName[m.key] == nil:
		r.byName[m.key] = d
	}
}

func (r *reader) checkName(d *draft) {
	switch {
	case !nodeName.MatchString(d.Name) || len(d.Name) > maxNameLength:
		r.faultf(d.Pos, "name", "%q is not a name", d.Name).Hint =
			fmt.Sprintf("use letters, digits, _ and -, at most %d, beginning with a letter", maxNameLength)
	case d.Kind != Sink && d.Name == errorsName:
		r.faultf(d.Pos, "name", "errors is the name of the pipeline's error port").Hint = "choose another name"
	case d.Kind == Operator && r.byName[d.Name] != nil:
		r.faultf(d.Pos, "name", "%s is already a source; sources and operators share one set of names", d.Name)
	}
}

// nodeKeys divides a node's keys into common ones and the verb.
func (r *reader) nodeKeys(d *draft, t *tree) {
	common := commonFor(d.Kind)
	names := fieldNames(common)
	var verb *member
	for i, m := range t.entries {
		if slices.Contains(names, m.key) {
			continue
		}
		if _, known := r.catalog.verb(d.Kind, m.key); !known {
			r.unknownKey(d, m, names)
			continue
		}
		if verb != nil {
			r.faultf(m.pos, "one-verb", "%s has two verbs, %s and %s", d.Name, verb.key, m.key).Hint = "make a node of each"
			continue
		}
		verb = &t.entries[i]
	}
	r.common(d, common, t)
	if verb == nil {
		if !slices.ContainsFunc(t.entries, func(m member) bool { return !slices.Contains(names, m.key) }) {
			r.faultf(d.Pos, "one-verb", "%s has no verb", d.Name).Hint = r.verbHint(d.Kind)
		}
		d.broken = true
		return
	}
	d.Verb, d.verbPos = verb.key, verb.pos
	v, _ := r.catalog.verb(d.Kind, verb.key)
	d.Config = r.config(v.fields, verb.value, verb.pos, verb.key)
	r.readFormat(d, v)
}

// unknownKey explains a key that is neither common nor a verb here.
func (r *reader) unknownKey(d *draft, m member, common []string) {
	for k := Source; k <= Sink; k++ {
		if _, ok := r.catalog.verb(k, m.key); ok {
			r.faultf(m.pos, "unknown-key", "%s is not a verb of %s", m.key, a(d.Kind)).Hint = fmt.Sprintf("put it under %ss", k)
			return
		}
	}
	for _, c := range commonFields {
		if c.Name == m.key {
			r.faultf(m.pos, "unknown-key", "%s has no %q", a(d.Kind), m.key).Hint = "its keys are " + strings.Join(common, ", ") + " and one verb"
			return
		}
	}
	known := append(slices.Clone(common), r.catalog.verbs(d.Kind)...)
	e := r.faultf(m.pos, "unknown-key", "%q is neither a verb nor a key of %s", m.key, a(d.Kind))
	if e.Hint = r.verbHint(d.Kind); spec.Nearest(m.key, known) != "" {
		e.Hint = spec.DidYouMean(m.key, known)
	}
}

// a is a kind of node with its article.
func a(k Kind) string {
	if k == Operator {
		return "an operator"
	}
	return "a " + k.String()
}

func (r *reader) verbHint(k Kind) string {
	return "its verb is one of " + strings.Join(r.catalog.verbs(k), ", ")
}

// common reads the keys that do not belong to the verb.
func (r *reader) common(d *draft, fields []spec.Field, t *tree) {
	for _, field := range fields {
		value := t.get(field.Name)
		if value == nil || value.shape == isNull {
			if field.Required {
				r.faultf(d.Pos, "missing-key", "%s needs %q", d.Name, field.Name).Hint = exampleHint(field)
			}
			continue
		}
		if field.Name == "format" {
			d.format = value
			continue
		}
		before := r.count
		v := r.value(field, value, field.Name)
		if r.count != before {
			continue
		}
		r.commonValue(d, field.Name, value, v)
	}
}

// commonValue stores the value of one common key.
func (r *reader) commonValue(d *draft, name string, t *tree, v spec.Value) {
	switch name {
	case "from":
		d.fromPos = t.pos
		d.from = r.references(t)
	case "schema":
		d.schema = r.declaredSchema(v)
	case "event_time":
		d.EventTime = r.eventTime(*v.Sub, v.Pos)
	case "key":
		d.Key = v.Names
	case "on_error":
		p := policy(*v.Sub)
		d.own, d.ownPos = &p, v.Pos
	case "parallelism":
		d.Parallelism = int(v.Int)
	case "was":
		d.Was = v.Text
		if !nodeName.MatchString(v.Text) || len(v.Text) > maxNameLength {
			r.faultf(v.Pos, "name", "%q cannot have been a node's name", v.Text)
		}
	case "description":
		d.Description = v.Text
	}
}

// references reads `from` in its three forms.
func (r *reader) references(t *tree) map[string][]reference {
	if t.shape != isMapping {
		return map[string][]reference{"": r.referenceList(t)}
	}
	from := map[string][]reference{}
	for _, m := range t.entries {
		from[m.key] = r.referenceList(m.value)
	}
	return from
}

func (r *reader) referenceList(t *tree) []reference {
	var refs []reference
	for _, name := range r.names(t, "from") {
		ref := reference{name.Text, name.Pos}
		if slices.ContainsFunc(refs, func(o reference) bool { return o.text == ref.text }) {
			r.faultf(ref.pos, "duplicate-input", "%s is named twice; its rows would count twice", ref.text)
			continue
		}
		refs = append(refs, ref)
	}
	if len(refs) == 0 && t.shape == isList {
		r.faultf(t.pos, "missing-key", "from is an empty list")
	}
	return refs
}

// readFormat reads `format`: a name, or a mapping from one name to its options.
func (r *reader) readFormat(d *draft, v verb) {
	name := v.format
	if len(v.formats) == 0 {
		if d.format != nil {
			r.faultf(d.format.pos, "unknown-key", "%s has no format", d.Verb)
		}
		return
	}
	at, pos := (*tree)(nil), d.verbPos
	switch t := d.format; {
	case t == nil && name == "":
		return // the connector does without one
	case t == nil:
	case t.shape == isMapping && len(t.entries) == 1:
		name, pos, at = t.entries[0].key, t.entries[0].pos, t.entries[0].value
	case t.shape == isScalar:
		name, pos = t.text, t.pos
	default:
		r.faultf(t.pos, "type", "format takes a name, or a mapping from one name to its options")
		return
	}
	format, known := r.catalog.format(name)
	if !known || !slices.Contains(v.formats, name) {
		r.faultf(pos, "unknown-value", "%s has no format %q", d.Verb, name).Hint = spec.DidYouMean(name, v.formats)
		return
	}
	d.Format = connectors.Format{Name: name, Config: r.config(format.Fields, at, pos, "format."+name)}
}
