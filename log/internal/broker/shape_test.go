package broker

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 draws one")

// seeded is a random source whose seed is printed when the test fails.
func seeded(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with -seed=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, seed))
}

// eachVersion runs f for every version of every registered key that kmsg knows.
func eachVersion(t *testing.T, f func(t *testing.T, key, version int16)) {
	for _, h := range handlers() {
		t.Run(kmsg.NameForKey(h.key), func(t *testing.T) {
			for v := range kmsg.RequestForKey(h.key).MaxVersion() + 1 {
				f(t, h.key, v)
			}
		})
	}
}

// fill puts random content into every field of a request.
func fill(rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				fill(rng, v.Field(i))
			}
		}
	case reflect.Slice:
		n := rng.IntN(4)
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n = rng.IntN(200)
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			if d := v.Index(i).Addr().MethodByName("Default"); d.IsValid() {
				d.Call(nil)
			}
			fill(rng, v.Index(i))
		}
	case reflect.Pointer:
		if rng.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rng, v.Elem())
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.String:
		b := make([]byte, rng.IntN(150))
		for i := range b {
			b[i] = 'a' + byte(rng.IntN(26))
		}
		v.SetString(string(b))
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(rng.IntN(100)))
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(uint64(rng.IntN(100)))
	}
}

func randomRequest(rng *rand.Rand, key, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	fill(rng, reflect.ValueOf(req).Elem())
	return req
}

// allocated is what f allocates in bytes: the least of some runs, since the runtime
// allocates too.
func allocated(limit int64, f func()) int64 {
	least := int64(math.MaxInt64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, int64(after.TotalAlloc-before.TotalAlloc)); least <= limit {
			break
		}
	}
	return least
}

func TestShapeWalksWhatKmsgEncodes(t *testing.T) {
	rng := seeded(t)
	eachVersion(t, func(t *testing.T, key, version int16) {
		s := shapeOf(key, version)
		for range 30 {
			body := randomRequest(rng, key, version).AppendTo(nil)
			w, err := s.walk(body)
			cost := w.cost
			if err != nil {
				t.Fatalf("v%d: %v\n%x", version, err, body)
			}
			got := allocated(cost, func() {
				req := kmsg.RequestForKey(key)
				req.SetVersion(version)
				err = req.ReadFrom(body)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got > cost && !raceDetector {
				t.Fatalf("v%d: decoding %d bytes allocated %d, walk said %d", version, len(body), got, cost)
			}
			if len(body) == 0 {
				continue
			}
			if _, err := s.walk(body[:len(body)-1]); err == nil {
				t.Fatalf("v%d: a cut frame was accepted", version)
			}
		}
	})
}

// worstBodies are frames of about size bytes that make a decoder allocate as much
// as it can: for every array of the request, as many of the smallest elements as
// fit; the same array with a count that the frame does not hold; and every struct
// with unknown tags.
func worstBodies(key, version int16, size int) map[string][]byte {
	bodies := map[string][]byte{}
	root := reflect.TypeOf(kmsg.RequestForKey(key)).Elem()
	var descend func(t reflect.Type, path []int)
	p := prober{key, version}
	descend = func(t reflect.Type, path []int) {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Type.Kind() != reflect.Slice || f.Type.Elem().Kind() == reflect.Uint8 {
				continue
			}
			fillWith := func(n int, tags bool) []byte {
				return p.encode(path, func(v reflect.Value) {
					s := reflect.MakeSlice(f.Type, n, n)
					for j := range n {
						if d := s.Index(j).Addr().MethodByName("Default"); d.IsValid() {
							d.Call(nil)
							if u := s.Index(j).FieldByName("UnknownTags"); tags && u.IsValid() { // a key that is never flexible has none
								u.Addr().Interface().(*kmsg.Tags).Set(1000, nil)
							}
						}
					}
					v.Field(i).Set(s)
				})
			}
			one, two := len(fillWith(1, false)), len(fillWith(2, false))
			if one == len(fillWith(0, false)) {
				continue // not in this version
			}
			n := max(1, (size-one)/max(two-one, 1))
			name := fmt.Sprintf("%s%v", f.Name, path)
			bodies[name] = fillWith(n, false)
			bodies[name+" with unknown tags"] = fillWith(max(1, n/4), true)
			lie := fillWith(1, false)
			bodies[name+" padded"] = append(lie, make([]byte, size)...)
			if f.Type.Elem().Kind() == reflect.Struct {
				descend(f.Type.Elem(), append(path[:len(path):len(path)], i))
			}
		}
	}
	descend(root, nil)
	// An array whose count claims everything that is left, at every position.
	size /= 8
	base := p.encode(nil, func(reflect.Value) {})
	for at := range base {
		lie := append([]byte(nil), base[:at]...)
		lie = append(lie, 0xff, 0xff, 0x3f)
		bodies[fmt.Sprintf("compact lie at %d", at)] = append(lie, make([]byte, size)...)
		lie = append([]byte(nil), base[:at]...)
		lie = append(lie, 0, 0, byte(size>>8), 0)
		bodies[fmt.Sprintf("plain lie at %d", at)] = append(lie, make([]byte, size)...)
	}
	return bodies
}

func hasArray(s *shape) bool {
	return slices.ContainsFunc(s.fields, func(f shapeField) bool { return f.kind == kindArray || f.kind == kindStrings })
}

// A decoder that trusts counts once allocated eighty bytes for each that it was
// sent, and looped four billion times over five.
func TestWorstFrameStaysWithinItsReservation(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector allocations are not what they are")
	}
	const size = 32 << 10
	eachVersion(t, func(t *testing.T, key, version int16) {
		accepted := 0
		for name, body := range worstBodies(key, version, size) {
			w, err := shapeOf(key, version).walk(body)
			cost := w.cost
			if err != nil {
				continue // refused before it is decoded
			}
			accepted++
			got := allocated(cost, func() {
				req := kmsg.RequestForKey(key)
				req.SetVersion(version)
				_ = req.ReadFrom(body)
			})
			if got > cost && !raceDetector {
				t.Errorf("v%d %s: decoding %d bytes allocated %d, %d were reserved", version, name, len(body), got, cost)
			}
		}
		if accepted == 0 && hasArray(shapeOf(key, version)) {
			t.Errorf("v%d: every frame was refused: the test proves nothing", version)
		}
	})
}
