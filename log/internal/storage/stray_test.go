package storage

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/vfs"
)

// TestStraysGoToQuarantine: somebody keeps a copy of a partition beside it, and
// something else among the topics. Both were passed over in silence, and the copy
// would have gone with its topic.
func TestStraysGoToQuarantine(t *testing.T) {
	m := written(t, 3)
	root := "/data/" + topicsDir + "/"
	id := strings.Split(strings.TrimPrefix(testDir, root), "/")[0]
	for _, dir := range []string{root + id + "/0.backup", root + "old.deleted/0.deleted", root + "empty"} {
		if err := vfs.MkdirAll(m, dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{root + id + "/0.backup/data", root + "old.deleted/0.deleted/data", root + id + "/7", root + "notes"} {
		if err := vfs.WriteFile(m, file, []byte("precious")); err != nil {
			t.Fatal(err)
		}
	}
	n := openDisk(t, m)
	l := openTestLog(t, n, Config{})
	if got := values(t, l, 0, 3); len(got) != 3 {
		t.Fatal(got)
	}
	for _, name := range []string{"stray-" + id + "-0.backup/data", "stray-old.deleted/0.deleted/data", "stray-" + id + "-7", "stray-notes"} {
		if b, err := vfs.ReadFile(m, "/data/"+quarantineDir+"/"+name, 100); err != nil || string(b) != "precious" {
			t.Fatalf("%s: %q %v", name, b, err)
		}
	}
	if names, err := m.List(root); err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if names, err := m.List(root + id); err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if got := strings.Count(n.logs.String(), "moved to quarantine"); got != 5 {
		t.Fatalf("%d reports\n%s", got, n.logs)
	}
}
