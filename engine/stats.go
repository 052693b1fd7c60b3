package engine

import (
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators/columnar"
)

// nodeStats counts one node's rows over all its instances.
type nodeStats struct {
	in, out, late, errors counter
	lastError             atomic.Pointer[rowErrorText]
}

type rowErrorText struct{ at, cause string }

// Stats is a pipeline's counts since Open. Rows of an epoch that was aborted and
// replayed are counted once per replay, but in RowsIn.
type Stats struct {
	Nodes []NodeStats // in the graph's order
	// RowsIn is the number of rows that sources read in committed epochs.
	RowsIn int64
	// RowsOut, Late and Errors are sums over sinks, and over all nodes.
	RowsOut, Late, Errors int64
	Epoch                 uint64 // the last committed epoch
	Commits, Aborts       int64  // since Open
	CommitMedian          time.Duration
	// Watermark is the least watermark over all splits, MinTime before the first row.
	Watermark time.Time
	HasTime   bool
	Ended     bool // all sources are bounded and read to their end
}

// NodeStats is one node's part.
type NodeStats struct {
	Name              string
	Kind              dsl.Kind
	In, Out           int64
	Late, Errors      int64
	LastError         string // of a row, "" if none
	LastErrorPosition string
}

// Stats is the pipeline's counts now. It may be called concurrently with Run.
func (p *Pipeline) Stats() Stats {
	s := Stats{
		RowsIn:       p.rowsIn.load(),
		Epoch:        p.epoch.Load(),
		Commits:      p.commits.load(),
		Aborts:       p.aborts.load(),
		CommitMedian: time.Duration(p.commitMedian.Load()),
		Ended:        p.ended.Load(),
	}
	if w := p.watermark.Load(); w != columnar.MinTime && w != columnar.MaxTime {
		s.Watermark, s.HasTime = time.UnixMicro(w).UTC(), true
	}
	for _, n := range p.plan.graph.Nodes {
		st := p.stats[n]
		ns := NodeStats{Name: n.Name, Kind: n.Kind, In: st.in.load(), Out: st.out.load(), Late: st.late.load(), Errors: st.errors.load()}
		if e := st.lastError.Load(); e != nil {
			ns.LastError, ns.LastErrorPosition = e.cause, e.at
		}
		if n.Kind == dsl.Sink {
			s.RowsOut += ns.In
		}
		s.Late += ns.Late
		s.Errors += ns.Errors
		s.Nodes = append(s.Nodes, ns)
	}
	return s
}
