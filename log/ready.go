package log

import (
	"errors"
	"fmt"
)

// Ready is nil while the node can serve every request, and else says everything that
// is in the way: a disk that failed, metadata without a leader, coordinators that are
// reading their logs, listeners that are not open. A node that is not ready may answer
// much of what it is asked.
func (n *Node) Ready() error {
	var faults []error
	if n.closing.Load() {
		faults = append(faults, ErrClosed)
	}
	if err := n.disk.Err(); err != nil {
		faults = append(faults, fmt.Errorf("the disk has failed: %w", err))
	}
	if n.meta.Quorum().Leader == 0 {
		faults = append(faults, errors.New("no leader of the metadata is known"))
	}
	for _, c := range n.coordinators() {
		if loading, led := c.Loading(); loading > 0 {
			faults = append(faults, fmt.Errorf("%d of %d %s coordinators are reading their logs", loading, led, c.name))
		}
	}
	if addr := n.lost.Load(); addr != nil {
		faults = append(faults, fmt.Errorf("the listener at %s has failed", *addr))
	}
	return errors.Join(faults...)
}

// loader is a kind of coordinator, as far as readiness goes.
type loader struct {
	name string
	loads
}

type loads interface{ Loading() (loading, led int) }

func (n *Node) coordinators() []loader { return []loader{{"group", n.groups}, {"transaction", n.txns}} }
