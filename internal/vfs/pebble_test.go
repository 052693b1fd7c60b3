package vfs

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func openPebble(t *testing.T, fsys FS, dir string) *pebble.DB {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{FS: Pebble(fsys), Logger: quiet{}, MemTableSize: 64 << 10})
	must(t, err)
	return db
}

func TestPebbleKeepsItsData(t *testing.T) {
	both(t, func(t *testing.T, fsys FS, dir string) {
		db := openPebble(t, fsys, dir+"/db")
		for i := range 2000 {
			must(t, db.Set(fmt.Appendf(nil, "key-%05d", i), make([]byte, 100), pebble.NoSync))
		}
		must(t, db.Flush())
		must(t, db.Checkpoint(dir+"/copy"))
		must(t, db.Close())
		for _, name := range []string{"/db", "/copy"} {
			db := openPebble(t, fsys, dir+name)
			for i := range 2000 {
				v, closer, err := db.Get(fmt.Appendf(nil, "key-%05d", i))
				must(t, err)
				if len(v) != 100 {
					t.Fatal(len(v))
				}
				must(t, closer.Close())
			}
			must(t, db.Close())
		}
	})
}

// TestPebbleCrashLosesNothingSynced cuts power at random calls while Pebble
// writes, flushes and compacts, and opens what is left.
func TestPebbleCrashLosesNothingSynced(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 3))
		m := NewMem()
		must(t, MkdirAll(m, "/data"))
		db := openPebble(t, m, "/data/db")
		next := uint64(0)
		for range 4 {
			for range 60 {
				key := binary.BigEndian.AppendUint64(nil, next)
				must(t, db.Set(key, make([]byte, 200+rng.IntN(2000)), pebble.Sync))
				next++
			}
			if rng.IntN(2) == 0 {
				must(t, db.Flush())
			}
			clone := m.CrashClone(rng)
			after := openPebble(t, clone, "/data/db")
			for i := range next {
				_, closer, err := after.Get(binary.BigEndian.AppendUint64(nil, i))
				if err != nil {
					t.Fatalf("seed %d: key %d of %d was synced and is lost: %v", seed, i, next, err)
				}
				must(t, closer.Close())
			}
			must(t, after.Close())
		}
		must(t, db.Close())
	}
}
