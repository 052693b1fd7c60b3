package dsl

// CompileSchema and WithDefaults are for the tests that see the package from
// outside, over the built-in verbs.
var CompileSchema = compileSchema

// WithDefaults is the catalog with everything that is registered.
func (c Catalog) WithDefaults() Catalog { return c.orDefault() }
