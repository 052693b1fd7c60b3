package dsl

import "strings"

// order sorts the drafts so that every node stands after those it reads, and
// otherwise as in the file: sources, operators, sinks. Nodes on a circle are
// reported, once per circle, and stand at the end.
func (r *reader) order() {
	drafts := make(map[*Node]*draft, len(r.drafts))
	for _, d := range r.drafts {
		drafts[d.Node] = d
	}
	s := sorter{drafts: drafts, state: map[*draft]visit{}, report: r.circle}
	for _, k := range []Kind{Source, Operator, Sink} {
		for _, d := range r.drafts {
			if d.Kind == k {
				s.visit(d)
			}
		}
	}
	r.drafts = s.sorted
}

type visit uint8

const (
	unseen visit = iota
	open         // on the path that is being followed
	done
)

// sorter is a depth-first search along the edges, against their direction. Its
// depth is the length of the longest chain, which the limit on values bounds.
type sorter struct {
	drafts map[*Node]*draft
	state  map[*draft]visit
	path   []*draft
	sorted []*draft
	report func(path []*draft)
}

func (s *sorter) visit(d *draft) {
	s.state[d] = open
	s.path = append(s.path, d)
	for _, edges := range d.Inputs {
		for _, e := range edges {
			if e.From == nil {
				continue
			}
			switch from := s.drafts[e.From]; s.state[from] {
			case unseen:
				s.visit(from)
			case open:
				s.report(s.path[s.index(from):])
			}
		}
	}
	s.path = s.path[:len(s.path)-1]
	s.state[d] = done
	s.sorted = append(s.sorted, d)
}

func (s *sorter) index(d *draft) int {
	for i, p := range s.path {
		if p == d {
			return i
		}
	}
	return 0
}

// circle reports nodes that read from each other.
func (r *reader) circle(path []*draft) {
	names := make([]string, 0, len(path)+1)
	for _, d := range path {
		names = append(names, d.Name)
		d.broken = true
	}
	names = append(names, path[0].Name)
	r.faultf(path[0].fromPos, "cycle", "%s", strings.Join(names, " reads ")).Hint = "a pipeline runs in one direction; write to a topic and read that if you need a loop"
}
