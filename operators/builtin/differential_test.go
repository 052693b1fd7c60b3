package builtin

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"

	"github.com/millrace/millrace/operators/operatortest"
)

// event is an input row of the differential test: the columns of eventSchema.
type event struct {
	ad    any // string or nil
	page  any // int64 or nil
	price any // int64 or nil
	share any // float64 or nil
	at    int64
	split int32
}

const eventSchema = "ad: string|null, page: int64|null, price: int64|null, share: float64|null, seen: timestamp(us), ok: bool"

func (e event) row() operatortest.Row {
	return operatortest.Row{Values: []any{e.ad, e.page, e.price, e.share, e.at, e.at%2 == 0}, At: e.at, Split: e.split}
}

func randomEvents(rng *rand.Rand, n int) []event {
	events := make([]event, n)
	clock := [3]int64{-4_000_000, -4_000_000, -4_000_000}
	pick := func(values ...any) any { return values[rng.IntN(len(values))] }
	for i := range events {
		e := event{split: int32(rng.IntN(3))}
		clock[e.split] += rng.Int64N(200_000)
		e.at = clock[e.split] - rng.Int64N(1_500_000)
		e.ad = pick("a", "b", nil, "", "a\x00b", "a key that is longer than sixteen bytes")
		e.page = pick(int64(1), int64(-1), nil, int64(math.MaxInt64))
		e.price = pick(int64(rng.Uint64()), nil, int64(3), int64(-5), int64(math.MaxInt64)/3)
		e.share = pick(rng.NormFloat64(), nil, math.Exp(rng.NormFloat64()*200), 1e300, -1e300, 0.1, 0.0, math.Copysign(0, -1),
			math.SmallestNonzeroFloat64, math.MaxFloat64)
		if rng.IntN(60) == 0 {
			e.share = pick(math.NaN(), math.Inf(1), math.Inf(-1))
		}
		events[i] = e
	}
	return events
}

// naive is the definition of the operator, written for clarity: every row is put into
// every window that contains it, and each window is worked out at the end with
// arbitrary precision.
type naive struct {
	size, slide, lateness, outOfOrder int64
	by                                []string
}

func (n naive) results(events []event) (want []string) {
	high := map[int32]int64{}
	groups := map[string][]event{}
	for _, e := range events {
		first := n.slide * int64(math.Floor(float64(e.at)/float64(n.slide)))
		earliest := first + n.slide // the end of the first window that contains it
		if w, ok := high[e.split]; ok && w-n.outOfOrder >= earliest+n.lateness {
			want = append(want, fmt.Sprintf("late: %s %s %s %s %d %v @%d", show(e.ad), show(e.page), show(e.price), show(e.share), e.at, e.at%2 == 0, e.at))
		} else {
			for end := earliest; end-n.size <= e.at; end += n.slide {
				key := ""
				for _, column := range n.by {
					key += show(map[string]any{"ad": e.ad, "page": e.page}[column]) + " "
				}
				key += fmt.Sprintf("%d %d", end-n.size, end)
				groups[key] = append(groups[key], e)
			}
		}
		if w, ok := high[e.split]; !ok || e.at > w {
			high[e.split] = e.at
		}
	}
	for key, rows := range groups {
		var end int64
		fmt.Sscan(key[strings.LastIndexByte(key, ' ')+1:], &end)
		want = append(want, n.result(key, rows, end))
	}
	return want
}

func (n naive) result(key string, rows []event, end int64) string {
	prices, shares := values[int64](rows, func(e event) any { return e.price }), values[float64](rows, func(e event) any { return e.share })
	sum := new(big.Int)
	for _, p := range prices {
		sum.Add(sum, big.NewInt(p))
	}
	total, overflow := sum.String(), !sum.IsInt64()
	mean := "null"
	if len(prices) == 0 {
		total, overflow = "null", false
	} else {
		f, _ := new(big.Rat).SetFrac(sum, big.NewInt(int64(len(prices)))).Float64()
		mean = show(f)
	}
	if overflow {
		total = "null"
	}
	lowShare, highShare := "null", "null"
	if len(shares) > 0 {
		sorted := append([]float64{}, shares...)
		sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] || sorted[j] != sorted[j] && sorted[i] == sorted[i] })
		lowShare, highShare = show(sorted[0]+0), show(sorted[len(sorted)-1]+0)
	}
	line := fmt.Sprintf("%s %d %d %s %s %s %s %s %s %s %s %d @%d", key, len(rows), len(prices), total, mean,
		exactly(shares, 1), exactly(shares, int64(len(shares))), lowShare, highShare, firstAd(rows), lastSeen(rows), distinctShares(shares), end-1)
	if overflow {
		return "errors: " + line + ": total: " + errOverflow.Error()
	}
	return line
}

func values[T any](rows []event, of func(event) any) (out []T) {
	for _, r := range rows {
		if v, ok := of(r).(T); ok {
			out = append(out, v)
		}
	}
	return out
}

// exactly is the sum divided by n, by rational arithmetic.
func exactly(shares []float64, n int64) string {
	if len(shares) == 0 {
		return "null"
	}
	sum, special := new(big.Rat), 0.0
	for _, s := range shares {
		if math.IsNaN(s) || math.IsInf(s, 0) {
			special += s // the sum of an infinity and its opposite is NaN
			continue
		}
		sum.Add(sum, new(big.Rat).SetFloat64(s))
	}
	if special != 0 {
		return show(special)
	}
	f, _ := sum.Quo(sum, new(big.Rat).SetInt64(n)).Float64()
	return show(f + 0)
}

func firstAd(rows []event) string {
	best := "null"
	for _, r := range rows {
		if s, ok := r.ad.(string); ok && (best == "null" || s < best) {
			best = s
		}
	}
	return best
}

func lastSeen(rows []event) string {
	best := rows[0].at
	for _, r := range rows {
		best = max(best, r.at)
	}
	return fmt.Sprint(best)
}

func distinctShares(shares []float64) int {
	seen := map[string]bool{}
	for _, s := range shares {
		seen[show(s+0)] = true
	}
	return len(seen)
}

func show(v any) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(v)
}

// TestAggregateAgainstNaiveModel compares every function over random rows, windows and
// lateness with the definition, under everything that operatortest does.
func TestAggregateAgainstNaiveModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		n := naive{slide: 1 + rng.Int64N(1_000_000), lateness: []int64{0, 300_000}[rng.IntN(2)], outOfOrder: []int64{0, 700_000, 2_000_000}[rng.IntN(3)]}
		n.by = [][]string{{"ad", "page"}, {"page"}, {"page", "ad"}, {}}[rng.IntN(4)]
		n.size = n.slide * (1 + rng.Int64N(3))
		window := operatortest.Config{"lateness": fmt.Sprintf("%dus", n.lateness)}
		if n.size == n.slide {
			window["tumbling"] = fmt.Sprintf("%dus", n.size)
		} else {
			window["hopping"] = operatortest.Config{"size": fmt.Sprintf("%dus", n.size), "slide": fmt.Sprintf("%dus", n.slide)}
		}
		events := randomEvents(rng, 20+rng.IntN(150))
		c := operatortest.Case{
			Spec: aggregateSpec,
			Config: operatortest.Config{"by": n.by, "window": window, "compute": operatortest.Map{
				{"rows", "count()"}, {"prices", "count(price)"}, {"total", "sum(price)"}, {"mean", "avg(price)"},
				{"shares", "sum(share)"}, {"share", "avg(share)"}, {"low", "min(share)"}, {"high", "max(share)"},
				{"first", "min(ad)"}, {"last", "max(seen)"}, {"kinds", "count_distinct(share)"},
			}},
			Schema: operatortest.Schema(t, eventSchema), OutOfOrder: n.outOfOrder, Want: n.results(events),
		}
		for _, e := range events {
			c.Rows = append(c.Rows, e.row())
		}
		operatortest.Test(t, c)
	}
}
