package expr

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
)

var errJSONTooLong = errors.New("json: " + msgTooLong)

// appendJSON writes a value of the virtual machine as JSON, members in the order
// of their names, so that equal values give equal text. It is not encoding/json
// because of its limit: a value can share parts, so that what is small in memory is
// exponentially long when written.
func appendJSON(dst []byte, x any, limit int) ([]byte, error) {
	if len(dst) > limit {
		return nil, errJSONTooLong
	}
	if i, ok := machineInt(x); ok {
		return strconv.AppendInt(dst, i, 10), nil
	}
	switch x := x.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, x), nil
	case float64:
		if x != x || math.IsInf(x, 0) {
			return nil, errors.New("json: there is no " + strconv.FormatFloat(x, 'g', -1, 64) + " in JSON")
		}
		return appendFloat(dst, x)
	case string:
		return appendJSONText(dst, x, limit)
	case map[string]any:
		return appendJSONObject(dst, x, limit)
	}
	if v := reflect.ValueOf(x); v.Kind() == reflect.Slice || v.Kind() == reflect.Array {
		return appendJSONArray(dst, v, limit)
	}
	return nil, errNotConvertible("json", x)
}

func appendJSONArray(dst []byte, v reflect.Value, limit int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, v.Index(i).Interface(), limit); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendJSONObject(dst []byte, x map[string]any, limit int) (_ []byte, err error) {
	names := make([]string, 0, len(x))
	for name := range x {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSONText(dst, name, limit); err != nil {
			return nil, err
		}
		if dst, err = appendJSON(append(dst, ':'), x[name], limit); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendJSONText(dst []byte, s string, limit int) ([]byte, error) {
	if len(dst)+len(s) > limit {
		return nil, errJSONTooLong
	}
	quoted, err := json.Marshal(s)
	return append(dst, quoted...), err
}
