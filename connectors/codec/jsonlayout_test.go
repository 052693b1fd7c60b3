package codec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestJSONLayoutsMix: rows of changing layouts, with bad ones between, come out
// as if each were alone, whatever the batch borders.
func TestJSONLayoutsMix(t *testing.T) {
	rng := random(t)
	schema := schemaOf(t, wideSchema)
	mixed := newJSONDecoder(schema, nil)
	var got, want []string
	for range 5000 {
		value := randomDocument(rng)
		if rng.IntN(2) == 0 {
			value = []byte(jsonSeeds[rng.IntN(2)])
		}
		alone := newJSONDecoder(schema, nil)
		if err := alone.Decode(value); (err == nil) != (mixed.Decode(value) == nil) {
			t.Fatalf("%q: alone %v", value, err)
		}
		want = append(want, rowsOf(alone.Flush())...)
		if rng.IntN(20) == 0 {
			got = append(got, rowsOf(mixed.Flush())...)
		}
	}
	got = append(got, rowsOf(mixed.Flush())...)
	if !slices.Equal(got, want) {
		t.Fatal("rows differ from those decoded alone")
	}
}

// event is about 200 bytes with 8 fields, as in the benchmarks of docs/performance.md.
func event(rng *rand.Rand) []byte {
	return fmt.Appendf(nil, `{"auction":%d,"bidder":%d,"price":%d,"channel":"%s","url":"https://www.nexmark.com/item.htm?query=%d","dateTime":%d,"extra":"%s","flag":true}`,
		1000+rng.IntN(100), 2000+rng.IntN(1000), rng.IntN(10_000_000), []string{"apple", "google", "baidu", "channel-9"}[rng.IntN(4)],
		rng.IntN(10), 1_700_000_000_000+rng.IntN(1e9), strings.Repeat("x", 20+rng.IntN(20)))
}

const eventSchema = "auction: int64, bidder: int64, price: int64, channel: string, url: string, dateTime: timestamp(ms), extra: string, flag: bool"

func events(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, n)
	for i := range all {
		all[i] = event(rng)
	}
	return all
}

func TestJSONDecodeDoesNotAllocate(t *testing.T) {
	all := events(1000)
	d := newJSONDecoder(schemaOf(t, eventSchema), nil)
	decode := func() {
		for _, v := range all {
			if err := d.Decode(v); err != nil {
				t.Fatal(err)
			}
		}
		d.Flush()
	}
	decode()
	if n := testing.AllocsPerRun(10, decode); n > 60 { // the arrays of a batch
		t.Errorf("%v allocations for 1000 rows", n)
	}
}

func BenchmarkJSONDecode(b *testing.B) {
	all := events(1 << 16)
	for _, bench := range []struct {
		name    string
		want    []string
		learned bool
	}{
		{"4of8", []string{"auction", "price", "channel", "dateTime"}, true},
		{"8of8", nil, true},
		{"general4of8", []string{"auction", "price", "channel", "dateTime"}, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			d := newJSONDecoder(schemaOf(b, eventSchema), bench.want)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if !bench.learned {
					d.layout.known = false
				}
				if err := d.Decode(all[i&(1<<16-1)]); err != nil {
					b.Fatal(err)
				}
				if i++; i%4096 == 0 {
					d.Flush()
				}
			}
		})
	}
}

// TestMatcher: texts of every length that the two words and what is between them
// can have, with every single byte changed, and at the very end of the value.
func TestMatcher(t *testing.T) {
	rng := random(t)
	for size := 1; size <= 40; size++ {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte('a' + rng.IntN(26))
		}
		m := newMatcher(text)
		for behind := range 10 {
			v := append(append([]byte("ab"), text...), make([]byte, behind)...)
			if !m.at(v, 2) {
				t.Fatalf("%q is not found in %q", text, v)
			}
			if m.at(v[:len(v)-behind-1], 2) {
				t.Fatalf("%q is found in %q", text, v[:len(v)-behind-1])
			}
			for i := range text {
				v[2+i] ^= 1
				if m.at(v, 2) {
					t.Fatalf("%q is found in %q", text, v)
				}
				v[2+i] ^= 1
			}
		}
	}
}

// TestJSONLayoutOfShortTails: a short key and value at the end of a row, where
// there are not eight bytes left to compare, once made every row of a topic be
// read the general way, five times slower.
func TestJSONLayoutOfShortTails(t *testing.T) {
	d := newJSONDecoder(schemaOf(t, "ad: string, n: int64"), nil)
	for i, v := range []string{`{"ad":"abc","n":5}`, `{"ad":"","n":6}`, `{"ad":"x","n":77}`} {
		if err := d.Decode([]byte(v)); err != nil {
			t.Fatal(err)
		}
		if i > 0 && d.layout.misses > 0 {
			t.Errorf("%s was read the general way", v)
		}
	}
}
