package examples

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/millrace/millrace/cli"
)

// pages are all pages of this repository, by their path from its root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "testdata"}, d.Name())):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md" || path == "../dsl/intro.md": // it is a part of docs/pipelines.md
			return nil
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d pages were found", len(all))
	}
	return all
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code   = regexp.MustCompile("`([^`\n]+)`")
)

// TestLinksResolve follows every link between pages, to the heading too.
func TestLinksResolve(t *testing.T) {
	all := pages(t)
	for from, text := range all {
		prose := code.ReplaceAllString(fenced.ReplaceAllString(text, ""), "`code`")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			to := from
			if path != "" {
				to = filepath.Join(filepath.Dir(from), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s is not there", from, m[1])
			} else if page, ok := all[to]; anchor != "" && ok && !slices.Contains(anchors(page), anchor) {
				t.Errorf("%s: %s has no heading #%s", from, to, anchor)
			}
		}
	}
}

// anchors are the names that headings of a page get.
func anchors(page string) []string {
	var names []string
	for line := range strings.Lines(fenced.ReplaceAllString(page, "")) {
		heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading)))
	}
	return names
}

// TestCommandsOnPagesAreThere looks up every millrace command that a page shows, in
// blocks and in the text: that there is such a command, and that it has these flags.
func TestCommandsOnPagesAreThere(t *testing.T) {
	n := 0
	for from, text := range pages(t) {
		var shown []string
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if slices.Contains([]string{"", "sh", "bash", "console"}, block[1]) {
				shown = append(shown, strings.Split(strings.ReplaceAll(block[2], "\\\n", " "), "\n")...)
			}
		}
		for _, m := range code.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.HasPrefix(m[1], "millrace ") && m[1] != "millrace metadata log 1" { // that is a format's name
				shown = append(shown, m[1])
			}
		}
		for _, line := range shown {
			for _, words := range commands(line) {
				checkCommand(t, from, words)
				n++
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d commands were found", n)
	}
}

// commands are the calls of millrace in a line of a shell, as their words.
func commands(line string) [][]string {
	var all [][]string
	var words []string
	var word strings.Builder
	var quote rune
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	call := func() {
		end()
		for i, w := range words {
			program := w == "millrace" || w == "./millrace"
			source := (w == "./cmd/millrace" || w == "../../cmd/millrace") && i > 0 && words[i-1] == "run"
			if source || program && (i == 0 || strings.Contains(words[i-1], "=") || words[i-1] == "$") {
				all = append(all, words[i+1:])
				break
			}
		}
		words = nil
	}
	for _, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote = r
		case r == '#' && word.Len() == 0:
			call()
			return all
		case r == ' ' || r == '\t':
			end()
		case strings.ContainsRune("|;&()<>", r):
			call()
		default:
			word.WriteRune(r)
		}
	}
	call()
	return all
}

var help = map[string]string{} // of commands that were asked

// checkCommand looks for the command that words begin with, and for its flags.
func checkCommand(t *testing.T, from string, words []string) {
	t.Helper()
	var path []string
	for _, w := range words {
		if strings.HasPrefix(w, "-") || helpOf(append(path[:len(path):len(path)], w)) == "" {
			break
		}
		path = append(path, w)
	}
	text := helpOf(path)
	if len(path) == 0 && len(words) > 0 && !strings.HasPrefix(words[0], "-") && isName(words[0]) {
		t.Errorf("%s: there is no command millrace %s", from, strings.Join(words, " "))
		return
	}
	if len(path) > 0 && strings.Contains(text, "millrace "+strings.Join(path, " ")+" [command]") && len(words) > len(path) && isName(words[len(path)]) {
		t.Errorf("%s: there is no command millrace %s", from, strings.Join(words, " "))
		return
	}
	for _, w := range words {
		flag, _, _ := strings.Cut(w, "=")
		if !strings.HasPrefix(flag, "-") || flag == "-" || flag == "--" || len(flag) > 1 && flag[1] >= '0' && flag[1] <= '9' {
			continue
		}
		if short := !strings.HasPrefix(flag, "--"); short && len(flag) > 2 {
			flag = flag[:2] // -n1
		}
		if !regexp.MustCompile(`(?m)(^|[ ,])` + regexp.QuoteMeta(flag) + `\b`).MatchString(text) {
			t.Errorf("%s: millrace %s has no flag %s (in %q)", from, strings.Join(path, " "), flag, strings.Join(words, " "))
		}
	}
}

// isName says whether a word could be meant as a command: no placeholder, no dots.
func isName(w string) bool { return regexp.MustCompile(`^[a-z-]+$`).MatchString(w) }

// helpOf is the help of a command, or nothing if there is no such command.
func helpOf(path []string) string {
	key := strings.Join(path, " ")
	text, ok := help[key]
	if !ok {
		var out, msg bytes.Buffer
		status := cli.Run(context.Background(), append(slices.Clone(path), "--help"), strings.NewReader(""), &out, &msg)
		if status == 0 && strings.Contains(out.String(), "millrace "+key) {
			text = out.String()
		}
		help[key] = text
	}
	return text
}
