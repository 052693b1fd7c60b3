//go:build unix

package statestore

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/vfs"
)

const benchRows = 4096

// cpu is the processor time of the process, which a busy machine does not change much.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// benchBatches are the keys of 1 M rows in batches, with hashes as an exchange makes
// them.
func benchBatches(distinct int, text bool) []*Keys {
	rng := rand.New(rand.NewPCG(1, 2))
	batches := make([]*Keys, (1<<20)/benchRows)
	for b := range batches {
		k := &Keys{Off: make([]int32, 1, benchRows+1)}
		for range benchRows {
			n := rng.IntN(distinct)
			if text {
				k.Data = fmt.Appendf(k.Data, "\x01campaign-%08d\x00\x01", n)
			} else {
				k.Data = binary.BigEndian.AppendUint64(append(k.Data, 1), uint64(n)*2654435761^1<<63)
			}
			k.Off = append(k.Off, int32(len(k.Data)))
			h := xxh3.Hash(k.Data[k.Off[len(k.Off)-2]:])
			k.Hash = append(k.Hash, h)
			k.Partition = append(k.Partition, int32((h>>32)*testPartitions>>32))
		}
		k.Data = append(k.Data, make([]byte, inlineKey)...)[:len(k.Data)]
		batches[b] = k
	}
	return batches
}

func benchTask(b *testing.B) (*Store, *Task) {
	s, err := Open(Options{FS: vfs.NewMem(), Dir: "/s", Identity: testIdentity, MemoryBytes: 4 << 30})
	if err != nil {
		b.Fatal(err)
	}
	task, err := s.Task([]int32{0, 1, 2, 3, 4, 5})
	if err != nil {
		b.Fatal(err)
	}
	return s, task
}

// BenchmarkUpsert looks up batches of keys and adds to one word each, in epochs of 64
// batches.
func BenchmarkUpsert(b *testing.B) {
	sel := make([]int32, benchRows)
	for i := range sel {
		sel[i] = int32(i)
	}
	slots := make([]Slot, benchRows)
	for _, text := range []bool{false, true} {
		for _, distinct := range []int{100, 10_000, 1_000_000} {
			name := fmt.Sprintf("int/%d", distinct)
			if text {
				name = fmt.Sprintf("text/%d", distinct)
			}
			b.Run(name, func(b *testing.B) {
				batches := benchBatches(distinct, text)
				s, task := benchTask(b)
				defer s.Close()
				ts, err := task.View("op").Tables(0, Layout{Words: 3})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for _, k := range batches { // all keys are there before the clock starts
					if err := ts.At(1).Upsert(k, sel, slots); err != nil {
						b.Fatal(err)
					}
				}
				task.Commit()
				n, start := 0, cpu()
				for b.Loop() {
					t := ts.At(1)
					if err := t.Upsert(batches[n%len(batches)], sel, slots); err != nil {
						b.Fatal(err)
					}
					w := t.Words()
					for _, s := range slots {
						w[s]++
					}
					if n++; n%64 == 0 {
						task.Commit()
					}
				}
				b.ReportMetric(float64(cpu()-start)/float64(n)/benchRows, "cpu-ns/row")
			})
		}
	}
}

// BenchmarkEpoch is what an epoch costs per changed key: undo, change capture and
// commit, and, per dirty key, a checkpoint.
func BenchmarkEpoch(b *testing.B) {
	batches := benchBatches(100_000, true)
	sel := make([]int32, benchRows)
	for i := range sel {
		sel[i] = int32(i)
	}
	slots := make([]Slot, benchRows)
	s, task := benchTask(b)
	defer s.Close()
	ts, err := task.View("op").Tables(0, Layout{Words: 3})
	if err != nil {
		b.Fatal(err)
	}
	write := func() {
		for _, k := range batches {
			t := ts.At(1)
			if err := t.Upsert(k, sel, slots); err != nil {
				b.Fatal(err)
			}
			w := t.Words()
			for _, s := range slots {
				w[s]++
			}
		}
	}
	positions := map[int32]Position{0: {}, 1: {}, 2: {}, 3: {}, 4: {}, 5: {}}
	for _, checkpoint := range []bool{false, true} {
		b.Run(fmt.Sprint("checkpoint=", checkpoint), func(b *testing.B) {
			keys, bytes, spent := 0, 0, time.Duration(0)
			for b.Loop() {
				write()
				start := cpu()
				if !checkpoint {
					keys, bytes = 0, 0
					task.Changes(func(_ int32, key, value []byte) error {
						keys++
						bytes += len(key) + len(value)
						return nil
					})
				}
				task.Commit()
				if checkpoint {
					if err := task.Checkpoint(positions); err != nil {
						b.Fatal(err)
					}
				}
				spent += cpu() - start
			}
			if keys == 0 {
				keys = int(task.Stats().Keys)
			}
			b.ReportMetric(float64(spent)/float64(b.N)/float64(keys), "cpu-ns/key")
		})
	}
}
