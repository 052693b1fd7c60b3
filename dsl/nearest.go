package dsl

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean is the hint for an unknown name: the nearest known one if it is
// near enough to be a slip, else the list if it is short.
func didYouMean(name string, known []string) string {
	if best := nearest(name, known); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	switch {
	case len(known) == 0:
		return ""
	case len(known) == 1:
		return "the only one is " + known[0]
	case len(known) <= 12:
		sorted := slices.Clone(known)
		slices.Sort(sorted)
		return "known are " + strings.Join(sorted, ", ")
	}
	return ""
}

// nearest is the known name that name most likely was meant to be, or "". A slip
// is at most one edit in short names and a third of the letters in longer ones;
// of equally near names the first in the alphabet wins.
func nearest(name string, known []string) string {
	const longest = 64 // names beyond this are not slips of ours
	if len(name) > longest {
		return ""
	}
	best, bestDistance := "", max(1, min(3, len(name)/3))+1
	for _, candidate := range known {
		if len(candidate) > longest {
			continue
		}
		d := editDistance(strings.ToLower(name), strings.ToLower(candidate))
		if d < bestDistance || d == bestDistance && best != "" && candidate < best {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}
