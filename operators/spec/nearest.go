package spec

import "strings"

// DidYouMean is the hint for a name that is not among the known ones: the nearest
// of them if there is one, else all of them if they are few.
func DidYouMean(name string, known []string) string {
	best := Nearest(name, known)
	switch {
	case best != "":
		return "did you mean " + best + "?"
	case len(known) == 1:
		return "the only one is " + known[0]
	case len(known) > 0 && len(known) <= 12:
		return "known are " + strings.Join(known, ", ")
	}
	return ""
}

// Nearest is the known name that name most likely was meant to be: near enough to be
// a slip of the finger (one edit in short names, a third of the letters in longer
// ones), in whatever case; "" if none is. Of equally near ones the first in the
// alphabet wins.
func Nearest(name string, known []string) string {
	if name == "" {
		return ""
	}
	best, fewest := "", max(1, min(3, len(name)/3))+1
	for _, k := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(k), fewest); d < fewest || d == fewest && best != "" && k < best {
			best, fewest = k, d
		}
	}
	return best
}

// edits counts the insertions, deletions, substitutions and swaps of neighbours
// between a and b; beyond limit it may say any larger number.
func edits(a, b string, limit int) int {
	s, t := []rune(a), []rune(b)
	if d := len(s) - len(t); d > limit || -d > limit {
		return limit + 1
	}
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i, x := range s {
		for j, y := range t {
			same := 1
			if x == y {
				same = 0
			}
			d := min(rows[i][j]+same, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && x == t[j-1] && s[i-1] == y {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(s)][len(t)]
}
