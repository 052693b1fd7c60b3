package operatortest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/operators/spec"
)

// Config is a node's configuration as Go values, by the names of Spec.Fields:
//
//	String, Enum, Expr   string
//	Int, Size            int or int64
//	Float                float64 or int
//	Boolean              bool
//	Duration             string as in YAML, or time.Duration
//	Names                string or []string
//	ExprMap, StringMap   Map
//	Mapping              Config
//	List                 []Config
//
// What is not given has its default. A place in an error message is the field's path
// as the file and, in expressions, the rune counted from 1 as the column.
type Config map[string]any

// Map is an ordered mapping: pairs of a name and an expression or text.
type Map [][2]string

func (c Config) build(fields []spec.Field, path string) (spec.Config, error) {
	out := spec.Config{Pos: place(path), Values: map[string]spec.Value{}}
	for name := range c {
		if !has(fields, name) {
			return out, fmt.Errorf("config: no field %s%s", path, name)
		}
	}
	for _, f := range fields {
		given, ok := c[f.Name]
		if !ok {
			v, err := defaultValue(f, path+f.Name)
			if err != nil {
				return out, err
			}
			out.Values[f.Name] = v
			continue
		}
		v, err := value(f, given, path+f.Name)
		if err != nil {
			return out, err
		}
		out.Values[f.Name] = v
	}
	return out, nil
}

func has(fields []spec.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

func place(path string) spec.Pos { return spec.Pos{File: path, Line: 1, Col: 1} }

func defaultValue(f spec.Field, path string) (spec.Value, error) {
	v := spec.Value{Type: f.Type, Pos: place(path)}
	if f.Type == spec.Mapping {
		sub, err := Config{}.build(f.Fields, path+".")
		v.Sub = &sub
		return v, err
	}
	if f.Default == "" {
		return v, nil
	}
	var given any = f.Default
	var err error
	switch f.Type {
	case spec.Int, spec.Size:
		given, err = strconv.ParseInt(f.Default, 10, 64)
	case spec.Float:
		given, err = strconv.ParseFloat(f.Default, 64)
	case spec.Boolean:
		given, err = strconv.ParseBool(f.Default)
	case spec.Names:
		given = strings.Split(strings.Trim(f.Default, "[] "), ",")
	}
	if err != nil {
		return v, fmt.Errorf("config: default of %s: %w", path, err)
	}
	v, err = value(f, given, path)
	v.Set = false
	return v, err
}

func value(f spec.Field, given any, path string) (spec.Value, error) {
	v := spec.Value{Type: f.Type, Pos: place(path), Set: true}
	wrong := fmt.Errorf("config: %s is a %s and was given a %T", path, f.Type, given)
	switch f.Type {
	case spec.String, spec.Enum, spec.Expr:
		s, ok := given.(string)
		if !ok {
			return v, wrong
		}
		v = text(s, f.Type, path)
	case spec.Int, spec.Size:
		switch n := given.(type) {
		case int:
			v.Int = int64(n)
		case int64:
			v.Int = n
		default:
			return v, wrong
		}
	case spec.Float:
		switch n := given.(type) {
		case int:
			v.Float = float64(n)
		case float64:
			v.Float = n
		default:
			return v, wrong
		}
	case spec.Boolean:
		b, ok := given.(bool)
		if !ok {
			return v, wrong
		}
		v.Bool = b
	case spec.Duration:
		d, err := durationOf(given)
		if err != nil {
			return v, fmt.Errorf("config: %s: %w", path, err)
		}
		v.Duration = d
	case spec.Names:
		names, ok := given.([]string)
		if one, single := given.(string); single {
			names, ok = []string{one}, true
		}
		if !ok {
			return v, wrong
		}
		for i, n := range names {
			v.Names = append(v.Names, text(strings.TrimSpace(n), spec.String, fmt.Sprintf("%s[%d]", path, i)))
		}
	case spec.ExprMap, spec.StringMap:
		m, ok := given.(Map)
		if !ok {
			return v, wrong
		}
		for _, pair := range m {
			v.Map = append(v.Map, spec.Entry{Key: pair[0], Pos: place(path + "." + pair[0]), Value: text(pair[1], spec.Expr, path+"."+pair[0])})
		}
	case spec.Mapping:
		m, ok := given.(Config)
		if !ok {
			return v, wrong
		}
		sub, err := m.build(f.Fields, path+".")
		v.Sub = &sub
		return v, err
	case spec.List:
		list, ok := given.([]Config)
		if !ok {
			return v, wrong
		}
		for i, m := range list {
			sub, err := m.build(f.Fields, fmt.Sprintf("%s[%d].", path, i))
			if err != nil {
				return v, err
			}
			v.List = append(v.List, sub)
		}
	default:
		return v, wrong
	}
	return v, nil
}

func text(s string, typ spec.Type, path string) spec.Value {
	return spec.Value{Type: typ, Pos: place(path), Set: true, Text: s,
		Locate: func(rune int) spec.Pos { return spec.Pos{File: path, Line: 1, Col: rune + 1} }}
}

func durationOf(given any) (time.Duration, error) {
	switch d := given.(type) {
	case time.Duration:
		return d, nil
	case string:
		return time.ParseDuration(d)
	}
	return 0, fmt.Errorf("a duration was given as %T", given)
}
