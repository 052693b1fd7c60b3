// Package cli is the command tree of millrace, importable: a program that
// registers operators or connectors of its own and calls Main is a millrace with
// those verbs.
//
//	func main() { os.Exit(cli.Main(os.Args[1:])) }
//
// It is the only room that wires the log to the engine. Exit status 0 means that
// the command did what it says; 1 that it failed; 2 that what it was given is
// wrong, and nothing was started.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/operators/spec"

	// What a pipeline may be made of.
	_ "github.com/millrace/millrace/connectors/file"
	_ "github.com/millrace/millrace/connectors/generate"
	_ "github.com/millrace/millrace/connectors/stdout"
	_ "github.com/millrace/millrace/connectors/topic"
	_ "github.com/millrace/millrace/operators/builtin"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the command line and returns the exit status. It handles SIGINT and
// SIGTERM: the first ends what runs in good order, the second at once.
func Main(args []string) int {
	return Run(context.Background(), args, os.Stdin, os.Stdout, os.Stderr)
}

// Run is Main with its surroundings given, for tests and embedding.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, term: newTerminal(stdout, stderr)}
	ctx, stop := signals(ctx, a.term)
	defer stop()
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := misspelt(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	a.term.clear()
	return report(stderr, err)
}

// signals cancels ctx at the first SIGINT or SIGTERM; a second ends the process.
func signals(ctx context.Context, term *terminal) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	got := make(chan os.Signal, 2)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-got:
			term.interrupt("millrace: stopping in good order (again to stop at once)\n")
			cancel()
		case <-done:
			return
		}
		if again(got, done) {
			os.Exit(exitFailed)
		}
	}()
	return ctx, func() {
		signal.Stop(got)
		close(done)
		cancel()
	}
}

// sameWish is how long after a signal another one means no more than the first:
// timeout(1) sends its signal to the process and then to the group that it is in.
const sameWish = 500 * time.Millisecond

// again waits for a signal that says to stop at once; false is that done came first.
func again(got <-chan os.Signal, done <-chan struct{}) bool {
	first := time.Now()
	for {
		select {
		case <-got:
			if time.Since(first) >= sameWish {
				return true
			}
		case <-done:
			return false
		}
	}
}

// app is one run of the command line.
type app struct {
	stdin   io.Reader
	term    *terminal
	verbose bool
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "millrace",
		Short:         "Stream processing with a built-in log",
		Long:          "Millrace runs YAML pipelines exactly once, over its own Kafka-protocol log or over any Kafka.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log what happens, to standard error")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"pipelines", "Pipelines", []*cobra.Command{a.runCommand(), a.lintCommand(), a.explainCommand(), a.listCommand(), a.schemaCommand()}},
		{"log", "The log", []*cobra.Command{a.serverCommand(), a.topicCommand(), a.produceCommand(), a.consumeCommand(), a.groupCommand(), a.txnCommand(), a.logCommand()}},
		{"cluster", "Administration", []*cobra.Command{a.clusterCommand(), a.configCommand(), a.userCommand(), a.aclCommand(), a.quotaCommand(), a.certCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title + ":"})
		for _, c := range g.commands {
			c.GroupID = g.id
		}
		root.AddCommand(g.commands...)
	}
	root.AddCommand(a.versionCommand())
	root.Version = buildVersion().String() // --version
	root.SetVersionTemplate("{{.Version}}\n")
	foldHelp(root)
	return root
}

// logger writes to standard error; without --verbose only what needs attention.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(a.term.errors(), &slog.HandlerOptions{Level: level}))
}

// usageError is a fault of what the command was given.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// report prints an error and says how to exit.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var faults spec.Errors
	var usage usageError
	switch {
	case errors.As(err, &faults):
		for _, f := range faults {
			fmt.Fprintln(stderr, f)
		}
		fmt.Fprintf(stderr, "%s\n", plural(len(faults), "fault", "faults"))
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "millrace:", printableLines(err.Error()))
		return exitUsage
	}
	fmt.Fprintln(stderr, "millrace:", printableLines(err.Error()))
	return exitFailed
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// exactArgs is cobra.ExactArgs with a sentence that says what is missing.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) < len(names) {
			return usagef("%s needs %s (see %s --help)", c.CommandPath(), names[len(args)], c.CommandPath())
		}
		if len(names) == 0 {
			return usagef("%s takes no argument, not %q", c.CommandPath(), args[0])
		}
		return usagef("%s takes %s, not also %q", c.CommandPath(), plural(len(names), "argument", "arguments"), args[len(names)])
	}
}

// noArgs refuses arguments of a command that has none.
func noArgs(c *cobra.Command, args []string) error { return exactArgs()(c, args) }
