package expr

// Function describes one function or operator, for documentation and for
// `millrace list functions`.
type Function struct {
	Name       string
	Category   string   // strings, numbers, time, conversion, nulls, json, operators
	Signatures []string // "substr(s string, from int64, n int64) string"
	Doc        string   // one or two sentences of Markdown
	Nulls      string   // what null does, where it is not "null in, null out"
	Errors     string   // when a row fails; empty means never
	Examples   []Example
}

// Example is an expression without columns and its result, as Literal writes it.
type Example struct {
	Expr   string
	Result string
}

// Functions lists every function, by category and name.
func Functions() []Function { return nil }

// Operators lists every operator, in order of precedence.
func Operators() []Function { return nil }
