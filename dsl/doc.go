// Package dsl reads a pipeline file into a Graph. It is data in, data out: it
// parses YAML, checks every key, type, name and expression against what the
// registered verbs declare, follows the schemas from source to sink, and never
// runs anything.
//
//	graph, err := dsl.Load("pipeline.yaml", dsl.Catalog{})
//	var faults spec.Errors
//	if errors.As(err, &faults) {
//		// every fault at once, each with file:line:col and what to do
//	}
//
// From the same Graph come Lint (what is allowed but unwise) and Explain (what
// the pipeline is); from the same Catalog come JSONSchema and Docs.
package dsl
