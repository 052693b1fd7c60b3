package meta

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/millrace/millrace/internal/vfs"
)

const metaDir = "data/metadata"

var (
	damageSeed = flag.Uint64("damage-seed", 0, "seed of the damage tests; 0 draws one")
	flips      = flag.Int("flips", 25, "bits that the damage tests flip in each file")
)

func damageSource(t *testing.T) *rand.Rand {
	seed := *damageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-damage-seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// livedDisks are disks on which a node has lived three times and left tables, a
// manifest with several records and a write-ahead log: shut down in order, and killed.
func livedDisks(t *testing.T) map[string]*vfs.Mem {
	t.Helper()
	disk := vfs.NewMem()
	ctx := context.Background()
	for life := byte(1); ; life++ {
		o := testOptions(disk)
		o.Source = rand.New(rand.NewPCG(uint64(life), 2))
		m, err := Open(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		register(t, m, life)
		for i := range 12 {
			createTopic(t, m, fmt.Sprintf("topic-%d-%d", life, i), 2)
		}
		if _, err := m.DeleteTopics(ctx, DeleteTopics{Topics: []TopicRef{{Name: fmt.Sprintf("topic-%d-3", life)}}}); err != nil {
			t.Fatal(err)
		}
		killed := disk.KillClone()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if life == 3 {
			return map[string]*vfs.Mem{"killed": killed, "closed": disk}
		}
	}
}

// contentsOf are all files of the metadata directory.
func contentsOf(t *testing.T, disk *vfs.Mem) map[string]string {
	t.Helper()
	names, err := disk.List(metaDir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		b, err := vfs.ReadFile(disk, metaDir+"/"+name, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	return files
}

func replace(t *testing.T, disk *vfs.Mem, name string, b []byte) {
	t.Helper()
	if err := vfs.WriteFile(disk, metaDir+"/"+name, b); err != nil {
		t.Fatal(err)
	}
}

// imageOf opens the metadata and closes it again.
func imageOf(disk *vfs.Mem) (fingerprint uint64, err error) {
	m, err := Open(context.Background(), testOptions(disk))
	if err != nil {
		return 0, err
	}
	fingerprint = m.Image().Fingerprint()
	return fingerprint, m.Close()
}

// verifyUnchanged is Verify, which must not change anything, nor try to.
func verifyUnchanged(t *testing.T, disk *vfs.Mem) Report {
	t.Helper()
	before := contentsOf(t, disk)
	disk.Inject(func(op vfs.Op, name string) error {
		if op.Changes() || op == vfs.OpLock {
			t.Errorf("%s of %s by Verify", op, name)
		}
		return nil
	})
	r, err := Verify(disk, metaDir)
	disk.Inject(nil)
	if err != nil {
		t.Fatal(err)
	}
	if after := contentsOf(t, disk); !maps.Equal(before, after) {
		t.Fatal("Verify has changed the directory")
	}
	return r
}

// refusals are the faults for which Open refuses.
func refusals(r Report) int {
	n := 0
	for _, f := range r.Faults {
		if f.Kind != Unknown {
			n++
		}
	}
	return n
}

// TestFlippedBits flips bits in all files of the metadata log. What a person saw: after
// one flipped bit in Pebble's write-ahead log the node started as if nothing were
// wrong, without the topics that were made behind that bit; their records went to
// quarantine, since no metadata knew them. Pebble takes a record that does not check
// for the torn end of the log. So each flip is harmless or is refused, by Verify and
// by Open alike, and a refused log stays as it is.
func TestFlippedBits(t *testing.T) {
	rng := damageSource(t)
	for how, disk := range livedDisks(t) {
		t.Run(how, func(t *testing.T) {
			want, err := imageOf(disk.KillClone())
			if err != nil {
				t.Fatal(err)
			}
			if r := verifyUnchanged(t, disk); len(r.Faults) > 0 || r.Image.Fingerprint() != want || r.Entries < 40 || r.Bytes < 10000 {
				t.Fatalf("%+v", r)
			}
			refused := map[string]int{}
			for name, b := range contentsOf(t, disk) {
				kind := strings.Trim(name, "0123456789")
				for _, bit := range drawBits(rng, len(b)) {
					if flipBit(t, disk.KillClone(), name, bit, want) {
						refused[kind]++
					}
				}
			}
			t.Log("refused", refused)
			for _, kind := range []string{".log", ".sst", "MANIFEST-"} {
				if refused[kind] == 0 {
					t.Errorf("no flip in a %s was found", kind)
				}
			}
		})
	}
}

func drawBits(rng *rand.Rand, size int) []int {
	var bits []int
	for range *flips {
		if size > 0 {
			bits = append(bits, rng.IntN(size*8))
		}
	}
	return bits
}

// flipBit flips one bit and reports whether it was found.
func flipBit(t *testing.T, disk *vfs.Mem, name string, bit int, want uint64) (refused bool) {
	t.Helper()
	what := fmt.Sprintf("bit %d of byte %d of %s", bit%8, bit/8, name)
	b := []byte(contentsOf(t, disk)[name])
	b[bit/8] ^= 1 << (bit % 8)
	replace(t, disk, name, b)
	r := verifyUnchanged(t, disk)
	before := contentsOf(t, disk)
	got, err := imageOf(disk)
	if (err != nil) != (refusals(r) > 0) {
		t.Fatalf("%s: Verify finds %+v, Open says %v", what, r.Faults, err)
	}
	if err == nil {
		if got != want {
			t.Fatalf("%s: the metadata is another, and nobody says so", what)
		}
		return false
	}
	var damage *DamageError
	if !errors.As(err, &damage) || !errors.Is(err, ErrCorrupt) {
		t.Fatalf("%s: %v", what, err)
	}
	for _, words := range []string{metaDir, "nothing there was changed or deleted", "millrace log verify data`"} {
		if text := err.Error(); !strings.Contains(text, words) || strings.Contains(text, "\n") {
			t.Fatalf("%s: %q is not in %q", what, words, text)
		}
	}
	if after := contentsOf(t, disk); !maps.Equal(before, after) {
		t.Fatalf("%s: Open has changed what it refused", what)
	}
	return true
}

// TestDamageNamesTheFile: whoever is told of damage is told where.
func TestDamageNamesTheFile(t *testing.T) {
	disk := livedDisks(t)["killed"]
	files := contentsOf(t, disk)
	for _, c := range []struct{ suffix, prefix, words string }{
		{".log", "", "save"},
		{".sst", "", "checksum"},
		{"", "MANIFEST-", ""},
		{"", "OPTIONS-", "move that file away"},
	} {
		var name string
		for _, n := range slices.Sorted(maps.Keys(files)) {
			if strings.HasSuffix(n, c.suffix) && strings.HasPrefix(n, c.prefix) {
				name = n // the newest
			}
		}
		clone := disk.KillClone()
		b := []byte(files[name])
		if c.prefix == "OPTIONS-" {
			b[0] = 'J'
		} else {
			b[len(b)/3] ^= 4
		}
		replace(t, clone, name, b)
		_, err := imageOf(clone)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := disk.Remove(metaDir + "/" + newest(slices.Sorted(maps.Keys(files)), optionsPrefix)); err != nil {
		t.Fatal(err)
	}
	if _, err := imageOf(disk); err != nil {
		t.Errorf("the advice for damaged settings does not help: %v", err)
	}
}

// TestMissingFiles: files that are gone are damage, too; the settings are not.
func TestMissingFiles(t *testing.T) {
	disk := livedDisks(t)["killed"]
	want, err := imageOf(disk.KillClone())
	if err != nil {
		t.Fatal(err)
	}
	for name := range contentsOf(t, disk) {
		clone := disk.KillClone()
		if err := clone.Remove(metaDir + "/" + name); err != nil {
			t.Fatal(err)
		}
		r := verifyUnchanged(t, clone)
		got, err := imageOf(clone)
		if (err != nil) != (refusals(r) > 0) || err == nil && got != want || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("without %s Verify finds %+v, Open says %v", name, r.Faults, err)
		}
	}
}

// TestLostMetadataIsNotBegunAnew: the whole directory is gone, and the topics are not.
// A node that began new metadata refused to go on once; at the start after that it
// took all topics for strays.
func TestLostMetadataIsNotBegunAnew(t *testing.T) {
	disk := vfs.NewMem()
	o := testOptions(disk)
	o.Used = true
	for range 2 {
		if _, err := Open(context.Background(), o); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "partitions") {
			t.Fatal(err)
		}
	}
	if _, err := disk.Stat(metaDir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("metadata was begun")
	}
}

// TestVerifyReadsEveryKey writes into the database itself what Pebble's checksums do
// not know to be wrong.
func TestVerifyReadsEveryKey(t *testing.T) {
	disk := livedDisks(t)["closed"]
	whole := verifyUnchanged(t, disk)
	last := whole.Image.Index()
	entry := func(data []byte) []byte { return seal(append([]byte{4, 0}, data...)) }
	for _, c := range []struct {
		name  string
		wrong func(*pebble.Batch)
		kind  Kind
		words string
	}{
		{"unsealed", func(b *pebble.Batch) { b.Set(keyHardState, []byte{1, 2}, nil) }, Damaged, "no sealed value"},
		{"hard state", func(b *pebble.Batch) { b.Set(keyHardState, seal(nil), nil) }, Damaged, "no varint"},
		{"no hard state", func(b *pebble.Batch) { b.Delete(keyHardState, nil) }, Damaged, "missing"},
		{"commit", func(b *pebble.Batch) { b.Set(keyHardState, seal([]byte{90, 0, 255, 255, 3}), nil) }, Damaged, "committed"},
		{"format", func(b *pebble.Batch) { b.Set(keyFormat, seal([]byte("two")), nil) }, Newer, "newer millrace"},
		{"snapshot", func(b *pebble.Batch) { b.Set(keySnapshot, seal([]byte{1, 1, 100}), nil) }, Damaged, "list longer"},
		{"gap", func(b *pebble.Batch) { b.Delete(entryKey(last-3), nil) }, Damaged, fmt.Sprintf("entry %d follows where %d should", last-2, last-3)},
		{"saves", func(b *pebble.Batch) { b.Set(keySaves, seal([]byte{2}), nil) }, Damaged, "after save 2 of"},
		{"record type", func(b *pebble.Batch) {
			b.Set(entryKey(last+1), entry(encodeEntry([][]byte{{200, 1, 1, 0}})), nil)
		}, Newer, "type 200 version 1"},
		{"record version", func(b *pebble.Batch) {
			b.Set(entryKey(last+1), entry(encodeEntry([][]byte{{2, 9, 1, 0}})), nil)
		}, Newer, "type 2 version 9"},
		{"record body", func(b *pebble.Batch) {
			b.Set(entryKey(last+1), entry(encodeEntry([][]byte{{2, 1, 1, 99}})), nil)
		}, Damaged, "malformed"},
		{"record checksum", func(b *pebble.Batch) {
			b.Set(entryKey(last+1), entry([]byte{entryVersion, 1, 2, 3, 4, 5}), nil)
		}, Damaged, "checksum"},
		{"misfit", func(b *pebble.Batch) {
			b.Set(entryKey(last+1), entry(encodeEntry([][]byte{AppendRecord(nil, &Partition{Topic: testID(77)})})), nil)
		}, Damaged, "does not fit"},
		{"key", func(b *pebble.Batch) { b.Set([]byte("x"), seal(nil), nil) }, Unknown, `key "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			clone := disk.KillClone()
			meddle(t, clone, c.wrong)
			r := verifyUnchanged(t, clone)
			if len(r.Faults) != 1 || r.Faults[0].Kind != c.kind || !strings.Contains(r.Faults[0].What, c.words) || r.Faults[0].Do == "" {
				t.Fatalf("%+v", r.Faults)
			}
			_, err := imageOf(clone)
			if c.kind == Damaged && !errors.Is(err, ErrCorrupt) || c.kind == Newer && !errors.Is(err, ErrUnknownRecord) || c.kind == Unknown && err != nil {
				t.Errorf("Open says %v", err)
			}
		})
	}
}

// meddle changes a database behind everybody's back.
func meddle(t *testing.T, disk *vfs.Mem, change func(*pebble.Batch)) {
	t.Helper()
	o, release := pebbleOptions(vfs.Pebble(disk), &pebbleLogger{logger: quiet})
	defer release()
	db, err := pebble.Open(metaDir, o)
	if err != nil {
		t.Fatal(err)
	}
	b := db.NewBatch()
	change(b)
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDiskThatCannotBeReadIsNotDamage: the bytes may be as they were written.
func TestDiskThatCannotBeReadIsNotDamage(t *testing.T) {
	disk := livedDisks(t)["killed"]
	disk.Inject(func(op vfs.Op, name string) error {
		if op == vfs.OpReadAt && strings.HasSuffix(name, ".sst") {
			return &fs.PathError{Op: "read", Path: name, Err: syscall.EIO}
		}
		return nil
	})
	if _, err := Verify(disk, metaDir); !errors.Is(err, syscall.EIO) {
		t.Errorf("Verify says %v", err)
	}
	if _, err := imageOf(disk); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrCorrupt) {
		t.Errorf("Open says %v", err)
	}
}
