package broker

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fault is an error code that a response carries.
type fault struct {
	code int16
	// count is how often the response has it.
	count int
	// about says what the first of them is about, as "topic orders, partition 3".
	about string
	// reason is the first error message that goes with it, if the response has one.
	reason string
}

// faultsOf finds all error codes of a response, whatever its key. It costs some
// nanoseconds per element of the response's arrays, and allocates only for faults.
func faultsOf(resp kmsg.Response) []fault {
	v := reflect.ValueOf(resp).Elem()
	c := codesOf(v.Type())
	if c.clean(v) {
		return nil
	}
	return c.collect(v, nil, nil)
}

// codeFields says where the error codes of a struct are. It is found once per type:
// every response of the protocol calls them ErrorCode.
type codeFields struct {
	codes  []int // fields of the struct itself
	inside []codesInside
	about  []int // fields that say what an error is about
	reason int   // of the error message; -1 if there is none
}

// codesInside is a field, a struct or an array of them, with error codes inside.
type codesInside struct {
	field  int
	fields *codeFields
	array  bool
}

var codeFieldsByType sync.Map // reflect.Type -> *codeFields

func codesOf(t reflect.Type) *codeFields {
	if c, ok := codeFieldsByType.Load(t); ok {
		return c.(*codeFields)
	}
	c := &codeFields{reason: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Name == "ErrorCode" && f.Type.Kind() == reflect.Int16:
			c.codes = append(c.codes, i)
		case f.Name == "ErrorMessage":
			c.reason = i
		case subjects[f.Name] != "":
			c.about = append(c.about, i)
		case f.Type.Kind() == reflect.Struct:
			c.look(i, f.Type, false)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			c.look(i, f.Type.Elem(), true)
		}
	}
	codeFieldsByType.Store(t, c)
	return c
}

func (c *codeFields) look(field int, t reflect.Type, array bool) {
	if inner := codesOf(t); len(inner.codes)+len(inner.inside) > 0 {
		c.inside = append(c.inside, codesInside{field, inner, array})
	}
}

// subjects are the fields that say what an error is about, and what they are called
// in a log line.
var subjects = map[string]string{
	"Topic": "topic", "TopicID": "topic id", "Partition": "partition",
	"Group": "group", "TransactionalID": "transactional id", "Key": "key",
	"ResourceName": "resource", "User": "user", "MemberID": "member",
}

// clean tells whether there is no error code anywhere.
func (c *codeFields) clean(v reflect.Value) bool {
	for _, i := range c.codes {
		if v.Field(i).Int() != 0 {
			return false
		}
	}
	for _, in := range c.inside {
		f := v.Field(in.field)
		if !in.array {
			if !in.fields.clean(f) {
				return false
			}
			continue
		}
		for j := range f.Len() {
			if !in.fields.clean(f.Index(j)) {
				return false
			}
		}
	}
	return true
}

// around is a struct that the one looked at is inside of.
type around struct {
	v      reflect.Value
	fields *codeFields
	outer  *around
}

func (c *codeFields) collect(v reflect.Value, outer *around, found []fault) []fault {
	for _, i := range c.codes {
		if code := v.Field(i).Int(); code != 0 {
			found = c.add(found, int16(code), v, outer)
		}
	}
	if len(c.inside) == 0 {
		return found
	}
	here := around{v, c, outer}
	for _, in := range c.inside {
		f := v.Field(in.field)
		if !in.array {
			found = in.fields.collect(f, &here, found)
			continue
		}
		for j := range f.Len() {
			found = in.fields.collect(f.Index(j), &here, found)
		}
	}
	return found
}

func (c *codeFields) add(found []fault, code int16, v reflect.Value, outer *around) []fault {
	for i := range found {
		if found[i].code == code {
			found[i].count++
			return found
		}
	}
	f := fault{code: code, count: 1, about: (&around{v, c, outer}).String()}
	if c.reason >= 0 {
		f.reason = text(v.Field(c.reason))
	}
	return append(found, f)
}

// String names what an error is about, from the outermost struct inwards.
func (a *around) String() string {
	var parts []string
	for ; a != nil; a = a.outer {
		var own []string
		for _, i := range a.fields.about {
			if t := text(a.v.Field(i)); t != "" {
				own = append(own, subjects[a.v.Type().Field(i).Name]+" "+t)
			}
		}
		parts = append(own, parts...)
	}
	return strings.Join(parts, ", ")
}

// subjectOf is what a request as a whole is about: its group or transactional id.
func subjectOf(req kmsg.Request) string {
	if req == nil {
		return ""
	}
	v := reflect.ValueOf(req).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if kind := v.Field(i).Kind(); kind != reflect.String && kind != reflect.Pointer || subjects[name] == "" {
			continue
		}
		if t := text(v.Field(i)); t != "" {
			return subjects[name] + " " + t
		}
	}
	return ""
}

// maxText is how much of a client's text a log line repeats.
const maxText = 256

// short is a client's text as far as a log line repeats it, and as far as it is
// remembered: a name in a request may be as long as the request.
func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.Clone(s[:maxText]) + "..."
}

// text is a field for people to read; "" where it says nothing.
func text(v reflect.Value) string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return short(v.String())
	case reflect.Int32, reflect.Int64, reflect.Int16, reflect.Int8:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Array:
		if v.IsZero() {
			return ""
		}
		return fmt.Sprintf("%x", v.Interface())
	}
	return ""
}
