package expr

// node is one node of the typed tree. Every construct is a type of its own with
// both ways to evaluate it side by side, so that they can be read against each
// other:
//
//  1. columns computes the rows of sel at once; row computes one. For each row of
//     sel both give the same value or the same fault.
//  2. sel is ascending and nil means all rows of the batch. A fault is reported
//     only for rows of sel, through Eval.fail; the row's value is then null.
//  3. The first fault of a row counts, in the order in which row would meet it.
//     Later faults of a failed row are ignored.
//  4. Strict nodes evaluate all operands before they look for nulls.
type node interface {
	info() *base
	columns(e *Eval, sel []int32) vec
	row(e *Eval, i int32) (value, *Fault)
}

// filterer is a boolean node that finds the rows where it is true faster than by
// way of three-valued bytes.
type filterer interface {
	// filter is the rows of sel where the node is true, in a slice from e.sels.
	filter(e *Eval, sel []int32) []int32
}

// base is what all nodes have.
type base struct {
	t        typ
	from, to int  // runes of the text, for messages
	fails    bool // this node or one below may report a fault
	opaque   bool // this node or one below has no columns
	cost     int  // a rough measure of the work per row
	kids     []node
}

func (b *base) info() *base { return b }

// newBase sums up what the children say. Own faults are added by the caller.
func newBase(t typ, from, to, cost int, kids ...node) base {
	b := base{t: t, from: from, to: to, cost: cost, kids: kids}
	for _, k := range kids {
		ki := k.info()
		b.fails = b.fails || ki.fails
		b.opaque = b.opaque || ki.opaque
		b.cost += ki.cost
	}
	return b
}

// Rough costs per row, for choosing between computing everywhere and computing on
// a sub-selection, and for the order of a conjunction.
const (
	costLoop  = 1  // arithmetic, numeric comparison
	costText  = 3  // comparison of text
	costCall  = 10 // a function call per row
	costHeavy = 60 // regular expressions, parsing
)

// cheap says that computing n on rows that will not be needed costs less than
// leaving them out.
func cheap(n node) bool { return n.info().cost <= 4*costLoop && !n.info().fails }

func nullable(nodes ...node) bool {
	for _, n := range nodes {
		if n.info().t.null {
			return true
		}
	}
	return false
}

// columnsRead marks the columns that the tree reads.
func columnsRead(n node, seen []bool) {
	if c, ok := n.(*column); ok {
		seen[c.index] = true
	}
	for _, k := range n.info().kids {
		columnsRead(k, seen)
	}
}
