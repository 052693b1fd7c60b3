package builtin

import (
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

var sumFunction = &function{
	name: "sum",
	doc: "the sum of the values that are not null; null if there is none. Of integers it is an int64, and a result " +
		"beyond that is an error of the result; of floats it is exact and rounded once",
	plan: planSum,
}

func planSum(arg columnar.Type) (*formula, error) {
	if err := numeric("sum", arg); err != nil {
		return nil, err
	}
	if arg.Kind == columnar.Float64 {
		return &formula{
			result: columnar.Type{Kind: columnar.Float64, Nullable: arg.Nullable},
			words:  1 + floatSumWords,
			blobs:  1,
			make:   func(p place) accumulator { return sumFloats{tally{p.word}, floatSum{p.word + 1, p.blob}} },
		}, nil
	}
	return &formula{
		result:  columnar.Type{Kind: columnar.Int64, Nullable: arg.Nullable},
		words:   1 + intSumWords,
		mayFail: true,
		make:    func(p place) accumulator { return sumInts{tally{p.word}, intSum{p.word + 1}} },
	}, nil
}

// tally keeps one word: how many values were not null.
type tally struct{ word uint32 }

func (c tally) add(p *part, arg arrow.Array) { _ = count(c).add(p, arg) }

// intSum keeps two words: the sum as a 128-bit integer, low word first. It cannot
// overflow: that would take 2^64 rows.
type intSum struct{ word uint32 }

const intSumWords = 2

func (c intSum) add(p *part, arg arrow.Array) {
	w := p.table.Words()
	values := arg.(*array.Int64).Int64Values()
	nulls := arg.NullN() > 0
	for j, s := range p.slots {
		row := p.rows[j]
		if nulls && arg.IsNull(int(row)) {
			continue
		}
		v := values[row]
		cell := w[s+c.word : s+c.word+intSumWords : s+c.word+intSumWords]
		low, carry := bits.Add64(cell[0], uint64(v), 0)
		cell[0] = low
		cell[1] += uint64(v>>63) + carry
	}
}

// sumInts is sum over int64.
type sumInts struct {
	tally tally
	sum   intSum
}

func (c sumInts) add(p *part, arg arrow.Array) error {
	c.tally.add(p, arg)
	c.sum.add(p, arg)
	return nil
}

func (c sumInts) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, fail func(int, error)) {
	w := t.Words()
	for j, s := range slots {
		low, high := w[s+c.sum.word], w[s+c.sum.word+1]
		switch {
		case w[s+c.tally.word] == 0:
			out.AppendNull()
		case high != uint64(int64(low)>>63): // the high word is more than a sign
			out.AppendNull()
			fail(j, errOverflow)
		default:
			out.AppendInt64(int64(low))
		}
	}
}

// sumFloats is sum over float64.
type sumFloats struct {
	tally tally
	sum   floatSum
}

func (c sumFloats) add(p *part, arg arrow.Array) error {
	c.tally.add(p, arg)
	return c.sum.add(p, arg)
}

func (c sumFloats) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, _ func(int, error)) {
	for _, s := range slots {
		if t.Words()[s+c.tally.word] == 0 {
			out.AppendNull()
			continue
		}
		out.AppendFloat64(c.sum.value(t, s, 1))
	}
}
