package expr

import "strings"

// didYouMean is a hint with the nearest candidate, empty if none is near.
func didYouMean(name string, candidates []string) string {
	best, dist := "", 1+len(name)/3
	for _, c := range candidates {
		d := editDistance(strings.ToLower(name), strings.ToLower(c), dist)
		if d < dist || d == dist && (best == "" || c < best) {
			best, dist = c, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// editDistance counts insertions, deletions, substitutions and exchanges of
// neighbours; it may stop at any value above limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	var before, last, row []int
	last = make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row = make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+b2i(a[i-1] != b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
