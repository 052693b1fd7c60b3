package dsl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"

	"github.com/millrace/millrace/operators/spec"
)

// Load reads the pipeline in a file; "-" is standard input. Faults of the file's
// content are returned as spec.Errors, in the order of the file.
func Load(path string, catalog Catalog) (*Graph, error) {
	in, name := io.Reader(os.Stdin), path
	if path == "-" {
		name = "<stdin>"
	} else {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("there is no pipeline file %s: %w", path, err)
		} else if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return Parse(name, text, catalog)
}

// Parse reads a pipeline from its text; name is what positions call the file.
// Every fault that can be found at once is in the returned spec.Errors; a node
// that reads a faulty one is not judged, since its schema is not known.
func Parse(name string, text []byte, catalog Catalog) (*Graph, error) {
	catalog = catalog.orDefault()
	r := &reader{
		file:    newFile(name, text, catalog.Getenv),
		catalog: catalog,
		graph:   &Graph{Path: name},
		byName:  map[string]*draft{},
		sinks:   map[string]*draft{},
		readers: map[string]*draft{},
	}
	if t := parseTree(r.file, text); t != nil {
		r.document(t)
	}
	if r.count > 0 {
		return nil, r.sorted()
	}
	return r.graph, nil
}

// reader turns one file into a Graph, in this order: keys and values, references,
// the order of nodes, plans along the schemas, error policies, columns, tests.
type reader struct {
	*file
	catalog Catalog
	graph   *Graph
	drafts  []*draft          // in the order of the file, later in topological order
	byName  map[string]*draft // sources and operators
	sinks   map[string]*draft
	readers map[string]*draft // the source of each topic
	own     *Policy           // the pipeline's on_error, if it is given
	ownPos  spec.Pos
}

// sorted are the faults in the order of the file.
func (r *reader) sorted() spec.Errors {
	slices.SortStableFunc(r.faults, func(a, b *spec.Error) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	if more := r.count - len(r.faults); more > 0 {
		last := r.faults[len(r.faults)-1].Pos
		r.faults = append(r.faults, spec.Errorf(last, "too-many-faults", "%d more faults are not shown", more))
	}
	return r.faults
}

var pipelineName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// maxPipelineName leaves room for the suffixes of internal topics, whose names may
// have 249 characters.
const maxPipelineName = 100

// document reads the whole file.
func (r *reader) document(t *tree) {
	if t.shape != isMapping {
		r.faultf(t.pos, "type", "a pipeline file is a mapping, not %s", t.shape).Hint = "it begins with `pipeline: <name>`"
		return
	}
	top := r.config(topFields, t, r.pos(1, 1), "")
	r.head(top)
	for _, k := range []Kind{Source, Operator, Sink} {
		r.section(k, t.get(k.String()+"s"))
	}
	r.formerNames()
	if t.get("sources") != nil { // else every reference would be unknown
		r.resolve()
	}
	r.order()
	for _, d := range r.drafts {
		if !d.broken {
			r.plan(d)
		}
	}
	r.policies()
	r.tests(t.get("tests"))
	for _, d := range r.drafts {
		r.graph.Nodes = append(r.graph.Nodes, d.Node)
	}
	if r.count == 0 {
		prune(r.graph)
		needPositions(r.graph)
	}
}

// head reads what is not a node.
func (r *reader) head(top spec.Config) {
	name := top.Get("pipeline")
	if name.Set && (!pipelineName.MatchString(name.Text) || len(name.Text) > maxPipelineName) {
		r.faultf(name.Pos, "name", "%q is not a pipeline's name", name.Text).Hint =
			fmt.Sprintf("use lower-case letters, digits, _ and -, at most %d", maxPipelineName)
	}
	r.graph.Name = name.Text
	r.graph.Description = top.Get("description").Text
	if p := top.Get("on_error"); p.Set {
		own := policy(*p.Sub)
		r.own, r.ownPos = &own, p.Pos
		r.graph.OnError = own
	}
	o := *top.Get("options").Sub
	r.graph.Options = Options{
		StatePartitions:     int(o.Get("state_partitions").Int),
		EpochMax:            o.Get("epoch_max").Duration,
		UncommittedMaxBytes: o.Get("uncommitted_max_bytes").Int,
		Checkpoint:          o.Get("checkpoint").Duration,
		StateMemory:         o.Get("state_memory").Int,
		MaxSkew:             o.Get("max_skew").Duration,
	}
}

// formerNames checks that every `was` names a node that is no longer there, once.
func (r *reader) formerNames() {
	taken := map[string]string{}
	for _, d := range r.drafts {
		if d.Was == "" {
			continue
		}
		space := r.byName
		if d.Kind == Sink {
			space = r.sinks
		}
		key := d.Was
		if d.Kind == Sink {
			key += " " // sinks have names of their own
		}
		switch other, exists := space[d.Was]; {
		case exists && other == d:
			r.faultf(d.Pos, "name", "%s cannot have been itself", d.Name)
		case exists:
			r.faultf(d.Pos, "name", "%s says that it was %s, but there still is a node %s", d.Name, d.Was, d.Was)
		case taken[key] != "":
			r.faultf(d.Pos, "name", "%s and %s both say that they were %s", taken[key], d.Name, d.Was)
		}
		taken[key] = d.Name
	}
}
