package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/operators"
	"github.com/millrace/millrace/operators/spec"
)

// load reads a pipeline file; a fault in it is spec.Errors, a file that cannot be
// read a usage error.
func (a *app) load(path string) (*dsl.Graph, error) {
	var g *dsl.Graph
	var err error
	if path == "-" {
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(a.stdin, 2<<20)); err == nil {
			g, err = dsl.Parse("stdin", text, dsl.Catalog{})
		}
	} else {
		g, err = dsl.Load(path, dsl.Catalog{})
	}
	var faults spec.Errors
	switch {
	case err == nil || errors.As(err, &faults):
		return g, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef("there is no pipeline file %s: name one, or - for standard input", path)
	}
	var fault *fs.PathError
	if errors.As(err, &fault) { // it names the file itself
		return nil, usageError{fault}
	}
	return nil, usageError{err}
}

func (a *app) lintCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Check pipelines: every fault with its place, then what is unwise",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("lint needs a pipeline file")
			}
			return a.lint(c.OutOrStdout(), output, args)
		},
	}
	outputFlag(c, &output)
	return c
}

// finding is a fault or a warning as lint prints it with -o json.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Col      int    `json:"col"`
	Severity string `json:"severity"`
	Rule     string `json:"rule"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func (a *app) lint(out io.Writer, output string, paths []string) error {
	var faults spec.Errors
	findings := []finding{}
	for _, path := range paths {
		g, err := a.load(path)
		var found spec.Errors
		switch {
		case errors.As(err, &found):
			faults = append(faults, found...)
			findings = appendFindings(findings, "error", found)
			continue
		case err != nil:
			return err
		}
		warnings := dsl.Lint(g)
		findings = appendFindings(findings, "warning", warnings)
		if output == "text" {
			for _, w := range warnings {
				fmt.Fprintln(out, "warning:", w)
			}
			fmt.Fprintf(out, "%s: pipeline %s is valid, %s\n", path, g.Name, plural(len(warnings), "warning", "warnings"))
		}
	}
	if output == "json" {
		if err := printJSON(out, findings); err != nil {
			return err
		}
		if len(faults) > 0 {
			return usagef("%s", plural(len(faults), "fault", "faults"))
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

func appendFindings(to []finding, severity string, es spec.Errors) []finding {
	for _, e := range es {
		to = append(to, finding{e.Pos.File, e.Pos.Line, e.Pos.Col, severity, e.Rule, e.Msg, e.Hint})
	}
	return to
}

func (a *app) explainCommand() *cobra.Command {
	format := "text"
	c := &cobra.Command{
		Use:   "explain FILE",
		Short: "Show what a pipeline is: schemas, keys, state, guarantees",
		Args:  exactArgs("a pipeline file"),
		RunE: func(c *cobra.Command, args []string) error {
			g, err := a.load(args[0])
			if err != nil {
				return err
			}
			return dsl.Explain(c.OutOrStdout(), g, dsl.Format(format))
		},
	}
	c.Flags().StringVarP(&format, "format", "o", format, "text, json or mermaid")
	oneOf(c, "format", &format, "text", "json", "mermaid")
	return c
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of pipeline files, for editors",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := dsl.JSONSchema(dsl.Catalog{})
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
	}
}

// verb is one entry of list.
type verb struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Summary string `json:"summary"`
}

func (a *app) listCommand() *cobra.Command {
	var output string
	kinds := []string{"sources", "operators", "sinks", "functions"}
	c := &cobra.Command{
		Use:       "list [sources|operators|sinks|functions]",
		Short:     "List what a pipeline may be made of",
		ValidArgs: kinds,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !contains(kinds, args[0]) {
				hint := ""
				if near := spec.Nearest(args[0], kinds); near != "" {
					hint = "; did you mean " + near + "?"
				}
				return usagef("list takes one of sources, operators, sinks, functions%s", hint)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			all := verbs()
			if len(args) == 1 {
				kind := args[0][:len(args[0])-1]
				kept := all[:0]
				for _, v := range all {
					if v.Kind == kind {
						kept = append(kept, v)
					}
				}
				all = kept
			}
			if output == "json" {
				return printJSON(c.OutOrStdout(), all)
			}
			rows := [][]string{{"KIND", "NAME", "WHAT IT DOES"}}
			for _, v := range all {
				rows = append(rows, []string{v.Kind, v.Name, v.Summary})
			}
			if f, ok := c.OutOrStdout().(*os.File); ok {
				rows = foldLast(rows, columns(f))
			}
			return printTable(c.OutOrStdout(), rows)
		},
	}
	outputFlag(c, &output)
	return c
}

func verbs() []verb {
	var all []verb
	for _, s := range connectors.Default.Sources() {
		all = append(all, verb{"source", s.Name, s.Summary})
	}
	for _, s := range operators.Default.List() {
		all = append(all, verb{"operator", s.Name, s.Summary})
	}
	for _, s := range connectors.Default.Sinks() {
		all = append(all, verb{"sink", s.Name, s.Summary})
	}
	return append(all, functions()...)
}
