package engine

import (
	"sync/atomic"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators/columnar"
)

// splitPeers are the splits whose rows meet in some keyed operator: those for which
// it means something where the others stand in event time. Sources that have no
// operator in common neither wait for one another nor lean on one another.
type splitPeers struct{ seen []*atomic.Int64 }

// least is the least watermark of the splits that have one.
func (p *splitPeers) least() int64 {
	least := columnar.MaxTime
	for _, s := range p.seen {
		if w := s.Load(); w != columnar.MinTime {
			least = min(least, w)
		}
	}
	return least
}

// groups gives sources whose rows can meet the same representative.
func (p *plan) groups() map[*dsl.Node]*dsl.Node {
	up := map[*dsl.Node]*dsl.Node{}
	root := func(n *dsl.Node) *dsl.Node {
		for up[n] != nil {
			n = up[n]
		}
		return n
	}
	for _, fragments := range [][]*fragment{p.sources, p.stages} {
		for _, f := range fragments {
			for _, k := range f.keyed {
				if a, b := root(f.head), root(k); a != b {
					up[a] = b
				}
			}
		}
	}
	groups := map[*dsl.Node]*dsl.Node{}
	for _, f := range p.sources {
		groups[f.head] = root(f.head)
	}
	return groups
}

// arrival is the watermark at which a split begins that no epoch knows, such as a
// new partition of a topic: the least of its peers' in the last epoch. Windows up to
// there may have closed, so a row before it is late; from MinTime on it would open
// them anew and yield them twice. Peers that have ended do not count, or nothing
// could ever follow them.
func (p *Pipeline) arrival(source *dsl.Node, splits map[*dsl.Node][]connectors.Split) int64 {
	groups, least := p.plan.groups(), columnar.MaxTime
	for n, of := range splits {
		if groups[n] != groups[source] {
			continue
		}
		for _, s := range of {
			if at := p.positions[splitKey{n.Name, s.ID}]; at.known {
				least = min(least, at.watermark)
			}
		}
	}
	if least == columnar.MaxTime {
		return columnar.MinTime
	}
	return least
}
