package broker

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// mayBeNull lists the array and bytes fields that clients expect to be null now
// and then. Everything else that kmsg would encode as null is a fault of ours:
// librdkafka cannot read null Fetch records, the Java admin client throws on null
// configs, and a nil slice is what a forgotten field looks like.
var mayBeNull = map[string]bool{
	"FetchResponse.Topics.Partitions.AbortedTransactions": true, // null under read_uncommitted
}

var nullable sync.Map // nullableKey -> bool

type nullableKey struct {
	response reflect.Type
	version  int16
	path     string
}

// checkNulls returns an error that names the first field of resp that would be
// sent as null although clients cannot read that. It is slow; tests run it on
// every response.
func checkNulls(resp kmsg.Response) error {
	root := reflect.ValueOf(resp).Elem()
	return walkNulls(resp, root, root.Type().Name(), nil)
}

func walkNulls(resp kmsg.Response, v reflect.Value, name string, path []int) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		f := v.Field(i)
		here := append(path[:len(path):len(path)], i)
		if field.Name == "UnknownTags" {
			continue
		}
		full := name + "." + field.Name
		switch f.Kind() {
		case reflect.Struct:
			if err := walkNulls(resp, f, full, here); err != nil {
				return err
			}
		case reflect.Slice:
			if f.IsNil() && !mayBeNull[full] && nullOnTheWire(resp, full, here) {
				return fmt.Errorf("%s is null in version %d", full, resp.GetVersion())
			}
			if f.Type().Elem().Kind() != reflect.Struct {
				continue
			}
			for j := range f.Len() {
				if err := walkNulls(resp, f.Index(j), full, here); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// nullOnTheWire asks kmsg whether nil and empty differ for a field.
func nullOnTheWire(resp kmsg.Response, name string, path []int) bool {
	k := nullableKey{reflect.TypeOf(resp), resp.GetVersion(), name}
	if known, ok := nullable.Load(k); ok {
		return known.(bool)
	}
	encode := func(empty bool) []byte {
		r := kmsg.ResponseForKey(resp.Key())
		r.SetVersion(resp.GetVersion())
		v := reflect.ValueOf(r).Elem()
		for _, i := range path[:len(path)-1] {
			if v = v.Field(i); v.Kind() == reflect.Slice {
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
				v = v.Index(0)
			}
		}
		if f := v.Field(path[len(path)-1]); empty {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
		return r.AppendTo(nil)
	}
	differ := !bytes.Equal(encode(true), encode(false))
	nullable.Store(k, differ)
	return differ
}
