package builtin

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/operators/columnar"
	"github.com/millrace/millrace/statestore"
)

var avgFunction = &function{
	name: "avg",
	doc:  "the mean of the values that are not null, a float64; null if there is none. The exact sum is divided and rounded once",
	plan: planAvg,
}

func planAvg(arg columnar.Type) (*formula, error) {
	if err := numeric("avg", arg); err != nil {
		return nil, err
	}
	f := &formula{result: columnar.Type{Kind: columnar.Float64, Nullable: arg.Nullable}}
	if arg.Kind == columnar.Float64 {
		f.words, f.blobs = 1+floatSumWords, 1
		f.make = func(p place) accumulator { return avgFloats{tally{p.word}, floatSum{p.word + 1, p.blob}} }
	} else {
		f.words = 1 + intSumWords
		f.make = func(p place) accumulator { return avgInts{tally{p.word}, intSum{p.word + 1}} }
	}
	return f, nil
}

// avgInts is avg over int64.
type avgInts struct {
	tally tally
	sum   intSum
}

func (c avgInts) add(p *part, arg arrow.Array) error {
	c.tally.add(p, arg)
	c.sum.add(p, arg)
	return nil
}

func (c avgInts) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, _ func(int, error)) {
	w := t.Words()
	for _, s := range slots {
		n := w[s+c.tally.word]
		if n == 0 {
			out.AppendNull()
			continue
		}
		sum := [intSumWords]uint64{w[s+c.sum.word], w[s+c.sum.word+1]}
		negative := absolute(sum[:])
		out.AppendFloat64(nearest(negative, sum[:], 0, n))
	}
}

// avgFloats is avg over float64.
type avgFloats struct {
	tally tally
	sum   floatSum
}

func (c avgFloats) add(p *part, arg arrow.Array) error {
	c.tally.add(p, arg)
	return c.sum.add(p, arg)
}

func (c avgFloats) emit(t *statestore.Table, slots []statestore.Slot, out *columnar.Buffer, _ func(int, error)) {
	for _, s := range slots {
		n := t.Words()[s+c.tally.word]
		if n == 0 {
			out.AppendNull()
			continue
		}
		out.AppendFloat64(c.sum.value(t, s, n))
	}
}
