package builtin

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

var countFunction = &function{
	name: "count",
	doc:  "the number of rows; with an argument, of rows where it is not null",
	plan: func(columnar.Type) (*formula, error) {
		return &formula{
			result: columnar.Type{Kind: columnar.Int64},
			words:  1,
			make:   func(p place) accumulator { return count{p.word} },
		}, nil
	},
}

// count keeps one word: the number.
type count struct{ word uint32 }

func (c count) add(p *part, arg arrow.Array) error {
	w := p.table.Words()
	if arg == nil || arg.NullN() == 0 {
		for _, s := range p.slots {
			w[s+c.word]++
		}
		return nil
	}
	for j, s := range p.slots {
		if arg.IsValid(int(p.rows[j])) {
			w[s+c.word]++
		}
	}
	return nil
}

func (c count) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, _ func(int, error)) {
	w := t.Words()
	for _, s := range slots {
		out.AppendInt64(int64(w[s+c.word]))
	}
}
