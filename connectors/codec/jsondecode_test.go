package codec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestJSONDecode(t *testing.T) {
	const micros = 1_700_000_000_123_000
	tests := []struct {
		schema, value, want string // want begins with ! if it is a part of the error
	}{
		{"a: int64", `{"a":1}`, "1"},
		{"a: int64", " {\n\t\"a\" : -9223372036854775808 }\r\n", "-9223372036854775808"},
		{"a: int64", `{"a":9223372036854775807}`, "9223372036854775807"},
		{"a: int64", `{"a":9223372036854775808}`, "!field a: the number is out of range for int64"},
		{"a: int64", `{"a":-9223372036854775809}`, "!field a: the number is out of range"},
		{"a: int64", `{"a":123456789012345678901234567890}`, "!out of range"},
		{"a: int64", `{"a":1.0}`, "1"},
		{"a: int64", `{"a":12.5e1}`, "125"},
		{"a: int64", `{"a":1e400}`, "!out of range"},
		{"a: int64", `{"a":1.5}`, "!field a: the number has a fraction"},
		{"a: int64", `{"a":01}`, `!"01}" is not an int64`},
		{"a: int64", `{"a":-}`, "!is not an int64"},
		{"a: int64", `{"a":+1}`, "!is not an int64"},
		{"a: int64", `{"a":"1"}`, `!field a: "\"1\"}" is not an int64`},
		{"a: int64", `{"a":null}`, "!field a: null; declare it int64|null"},
		{"a: int64", `{}`, "!field a is missing; declare it int64|null"},
		{"a: int64|null, b: string|null", `{"a":null}`, "null null"},
		{"a: int64|null", `{"a":nul}`, "!is not an int64"},
		{"a: float64", `{"a":0.1}`, "0.1"},
		{"a: float64", `{"a":1e308}`, "1e+308"},
		{"a: float64", `{"a":1e309}`, "!field a: the number is out of range for float64"},
		{"a: float64", `{"a":123456789012345678901234567890}`, "1.2345678901234568e+29"},
		{"a: float64", `{"a":-0}`, "-0"},
		{"a: float64", `{"a":.5}`, "!is not a float64"},
		{"a: float64", `{"a":1.}`, "!is not a float64"},
		{"a: float64", `{"a":2.2250738585072011e-308}`, "2.225073858507201e-308"},
		{"a: bool, b: bool", `{"a":true,"b":false}`, "true false"},
		{"a: bool", `{"a":tru}`, "!is not a bool"},
		{"a: string", `{"a":""}`, `""`},
		{"a: string", `{"a":"häß\u00e4\ud83d\ude00\n\"\\\/"}`, `"häßä😀\n\"\\/"`},
		{"a: string", `{"a":"\ud83dx"}`, "\"\ufffdx\""},
		{"a: string", `{"a":"\x"}`, "!field a: an escape that JSON does not have"},
		{"a: string", "{\"a\":\"\x01\"}", "!field a: a control character"},
		{"a: string", "{\"a\":\"\xff\"}", "!field a: a string is not UTF-8"},
		{"a: string", `{"a":"x`, "!field a: a string is not closed"},
		{"a: string", `{"a":5}`, "!is not a string"},
		{"a: bytes", `{"a":"aGk="}`, "6869"},
		{"a: bytes", `{"a":"a"}`, "!field a: not Base64"},
		{"a: timestamp(ms)", `{"a":1700000000123}`, fmt.Sprint(micros)},
		{"a: timestamp(s)", `{"a":1700000000.123}`, fmt.Sprint(micros)},
		{"a: timestamp(us)", `{"a":1700000000123000}`, fmt.Sprint(micros)},
		{"a: timestamp(ns)", `{"a":1700000000123000999}`, fmt.Sprint(micros)},
		{"a: timestamp(ns)", `{"a":-1}`, "-1"},
		{"a: timestamp(ms)", `{"a":9223372036854775807}`, "!out of range"},
		{"a: timestamp(ms)", `{"a":"2023-11-14T22:13:20.123Z"}`, fmt.Sprint(micros)},
		{"a: timestamp(ms)", `{"a":"2023-11-15T00:13:20.1230009+02:00"}`, fmt.Sprint(micros)},
		{"a: timestamp(ms)", `{"a":"yesterday"}`, `!field a: "\"yesterday\"" is not a time`},
		{"a: timestamp(ms)", `{"a":"2023-02-29T00:00:00Z"}`, "!is not a time"},
		{"a: timestamp(ms)|null", `{"a":null}`, "null"},
		{"a: json, b: json|null", `{"a": {"x": [1, "}"]} ,"b":null}`, `"{\"x\": [1, \"}\"]}" null`},
		{"a: json", `{"a":[1,}`, "!brackets do not match"},
		{"a: json", `{"a":[1,]}`, "!field a: the value is not valid JSON"},
		{"a: int64", `{"a":1,"a":2}`, "1"},
		{"a: int64", `{"\u0061":1}`, "1"},
		{"a: int64", `{"x":{"a":[{}]},"y":"}","a":1,"z":[[],{}]}`, "1"},
		{"a: int64", `{"a":1}}`, "!byte 7: after the object comes"},
		{"a: int64", `{"a":1`, "!byte 6: the document ends too early"},
		{"a: int64", `{"a":1,}`, "!byte 7: a key in quotes is expected"},
		{"a: int64", `{"a" 1}`, "!comes a colon"},
		{"a: int64", `{"a":1 "b":2}`, "!comes , or }"},
		{"a: int64", `{"x":,"a":1}`, "!byte 5: there is no value here"},
		{"a: int64", `[1]`, "!not a JSON object but"},
		{"a: int64", ` `, "!the value is empty"},
		{"a: int64", `{"x":` + strings.Repeat("[", 2000) + `}`, "!nested too deeply"},
		{"a: int64|null", `{"x":{"y":1]}`, "!brackets do not match"},
	}
	for _, test := range tests {
		d := newJSONDecoder(schemaOf(t, test.schema), nil)
		for range 2 { // the second time there is a layout
			err := d.Decode([]byte(test.value))
			got := ""
			if err != nil {
				got = "!" + err.Error()
			}
			if want, bad := strings.CutPrefix(test.want, "!"); bad {
				if err == nil || !strings.Contains(got, want) {
					t.Errorf("%s as %s: %s; want %s", test.value, test.schema, got, test.want)
				}
			} else if rows := rowsOf(d.Flush()); err != nil || len(rows) != 1 || rows[0] != test.want {
				t.Errorf("%s as %s: %v %s; want %s", test.value, test.schema, rows, got, test.want)
			}
		}
	}
}

// TestJSONProjection: columns that are not wanted are nulls and are not parsed.
func TestJSONProjection(t *testing.T) {
	d := newJSONDecoder(schemaOf(t, "a: int64, b: string, c: float64"), []string{"c"})
	for range 3 {
		if err := d.Decode([]byte(`{"a":"not a number","b":7,"c":1.5}`)); err != nil {
			t.Fatal(err)
		}
	}
	if got := rowsOf(d.Flush()); !slices.Equal(got, []string{"null null 1.5", "null null 1.5", "null null 1.5"}) {
		t.Fatalf("decoded %v", got)
	}
	if d.Rows() != 0 {
		t.Errorf("%d rows after Flush", d.Rows())
	}
}
