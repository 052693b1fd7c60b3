package arch

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheHouse(t *testing.T) {
	faults, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// Every rule is broken once, so that the check is known to see it.
func TestCheckSees(t *testing.T) {
	const ours = module + "/"
	for name, c := range map[string]struct{ path, text, want string }{
		"an arrow upwards":          {"dsl/a.go", "// Package dsl x\npackage dsl\nimport _ \"" + ours + "engine\"", "does not stand below"},
		"strangers":                 {"statestore/a.go", "// Package statestore x\npackage statestore\nimport _ \"" + ours + "log/client\"", "does not stand below"},
		"two verbs":                 {"connectors/topic/a.go", "// Package topic x\npackage topic\nimport _ \"" + ours + "connectors/file\"", "does not stand below"},
		"upwards within the log":    {"log/internal/storage/a.go", "// Package storage x\npackage storage\nimport _ \"" + ours + "log/internal/replica\"", "does not stand below"},
		"an unknown room":           {"util/a.go", "// Package util x\npackage util", "no room for this package"},
		"too deep for a room":       {"connectors/http/client/a.go", "// Package client x\npackage client", "no room for this package"},
		"the standard log":          {"engine/a.go", "// Package engine x\npackage engine\nimport \"log\"", "log/slog"},
		"the standard log in tests": {"engine/a_test.go", "package engine\nimport \"log\"", "log/slog"},
		"Pebble elsewhere":          {"engine/a.go", "// Package engine x\npackage engine\nimport _ \"github.com/cockroachdb/pebble/v2/vfs\"", "belongs to statestore"},
		"YAML elsewhere":            {"cli/a.go", "// Package cli x\npackage cli\nimport _ \"gopkg.in/yaml.v3\"", "belongs to dsl"},
		"kgo elsewhere":             {"connectors/topic/a.go", "// Package topic x\npackage topic\nimport _ \"github.com/twmb/franz-go/pkg/kgo\"", "belongs to log/client"},
		"a fake outside of tests":   {"cli/a.go", "// Package cli x\npackage cli\nimport _ \"github.com/twmb/franz-go/pkg/kfake\"", "belongs to tests"},
		"the log in the engine":     {"engine/a.go", "// Package engine x\npackage engine\nimport _ \"" + ours + "log\"", "belongs to cli"},
		"a long file":               {"engine/a.go", "// Package engine x\npackage engine\n" + strings.Repeat("\n", maxLines), "divide it"},
		"no package comment":        {"engine/a.go", "package engine", "has no comment"},
		"a detached comment":        {"engine/a.go", "// Package engine x\n\npackage engine", "has no comment"},
		"another package's comment": {"engine/a.go", "// Package motor x\npackage engine", "has no comment"},
		"work put off":              {"engine/a.go", "// Package engine x\npackage engine\n// TO" + "DO: later", "puts work off"},
	} {
		faults, err := Check(fstest.MapFS{c.path: {Data: []byte(c.text)}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(faults) != 1 || !strings.Contains(faults[0], c.want) || !strings.Contains(faults[0], strings.Split(c.path, "/")[0]) {
			t.Errorf("%s: got %q, not one fault with %q", name, faults, c.want)
		}
	}
}

func TestCheckAllows(t *testing.T) {
	const ours = module + "/"
	faults, err := Check(fstest.MapFS{
		"cmd/millrace/main.go":         {Data: []byte("// Command millrace x\npackage main\nimport _ \"" + ours + "cli\"")},
		"cli/cli.go":                   {Data: []byte("// Package cli x\npackage cli\nimport (\n_ \"" + ours + "engine\"\n_ \"" + ours + "log\"\n\"log/slog\"\n)")},
		"engine/engine.go":             {Data: []byte("// Package engine x\npackage engine\nimport _ \"" + ours + "log/client\"")},
		"engine/engine_test.go":        {Data: []byte("package engine\nimport (\n_ \"" + ours + "cli\"\n_ \"github.com/cockroachdb/pebble/v2\"\n)")},
		"bench/peer/peer.go":           {Data: []byte("// Package peer x\npackage peer\nimport _ \"github.com/twmb/franz-go/pkg/kgo\"")},
		"statestore/store.go":          {Data: []byte("// Package statestore x\npackage statestore\nimport _ \"github.com/cockroachdb/pebble/v2\"")},
		"engine/testdata/broken.go":    {Data: []byte("not Go")},
		"conformance/go.mod":           {Data: []byte("module x")},
		"conformance/whatever/some.go": {Data: []byte("package whatever")},
		"README.md":                    {Data: []byte("x")},
	})
	if err != nil || len(faults) != 0 {
		t.Errorf("got %q and %v", faults, err)
	}
}

// A file that does not parse is an error, not a pass.
func TestCheckNeedsGo(t *testing.T) {
	if _, err := Check(fstest.MapFS{"engine/a.go": {Data: []byte("package")}}); err == nil {
		t.Error("a file that is not Go is passed over")
	}
}

// The table has every path once; otherwise the first floor would win silently.
func TestRoomsAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range House {
		if seen[r.Path] {
			t.Errorf("%s stands in the table twice", r.Path)
		}
		seen[r.Path] = true
	}
}
