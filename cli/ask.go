package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/log/client"
)

// withAdmin connects, runs do with an admin client and disconnects.
func (a *app) withAdmin(c *cobra.Command, r *remote, do func(context.Context, *kadm.Client) error) error {
	return a.withConnection(c, r, func(ctx context.Context, conn *client.Connection) error {
		return do(ctx, conn.Admin())
	})
}

// withClient connects, runs do with a client for records and topics and disconnects.
func (a *app) withClient(c *cobra.Command, r *remote, do func(context.Context, *client.Client) error) error {
	return a.withConnection(c, r, func(ctx context.Context, conn *client.Connection) error {
		return do(ctx, client.New(conn.Cluster(), client.Options{Logger: a.logger()}))
	})
}

// withConnection connects, runs do and disconnects.
func (a *app) withConnection(c *cobra.Command, r *remote, do func(context.Context, *client.Connection) error) error {
	r.stdin = a.stdin
	answered := a.sayWaiting(r)
	conn, err := r.connection(c.Context())
	answered()
	if !r.silent {
		a.warnExposed(r.security.secrets()...)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	err = firstShard(do(c.Context(), conn))
	if errors.Is(err, client.ErrUnknownTopic) {
		return fmt.Errorf("%w (millrace topic list names those that are)", err)
	}
	return err
}

// sayWaiting tells a person what is waited for, if it takes long, until answered is
// called.
func (a *app) sayWaiting(r *remote) (answered func()) {
	if r.silent {
		return func() {}
	}
	how := ""
	if r.adjustable {
		how = " (--timeout)"
	}
	note := time.AfterFunc(patience, func() {
		fmt.Fprintf(a.term.errors(), "millrace: no broker at %s answers yet; trying for %v%s\n", r.brokers, r.timeout, how)
	})
	return func() { note.Stop() }
}

// patience is how long a person is left without a word while no broker answers.
const patience = 1500 * time.Millisecond

// firstShard unpacks the error of a request that was sent to several brokers, when
// all parts failed alike: a person asked once.
func firstShard(err error) error {
	var shards *kadm.ShardErrors
	if errors.As(err, &shards) && shards.AllFailed && len(shards.Errs) > 0 {
		return fmt.Errorf("%s: %w", shards.Name, shards.Errs[0].Err)
	}
	return err
}

// parentCommand is a command that only holds others.
func parentCommand(use, short string, children ...*cobra.Command) *cobra.Command {
	names := ""
	for i, child := range children {
		if i > 0 {
			names += ", "
		}
		names += child.Name()
	}
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		// A flag behind a command that is not there must not be what is complained of.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no command %q: use one of %s%s", c.CommandPath(), args[0], names, didYouMean(c, args[0]))
			}
			return usagef("%s needs one of %s", c.CommandPath(), names)
		},
	}
	c.AddCommand(children...)
	return c
}

// someArgs wants at least one argument.
func someArgs(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs %s (see %s --help)", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}

// printList prints values as JSON or rows as a table.
func printList(w io.Writer, output string, values any, rows [][]string) error {
	if output == "json" {
		return printJSON(w, values)
	}
	return printTable(w, rows)
}

// withMessage is err with what the broker had to say about it.
func withMessage(err error, message string) error {
	if err == nil || message == "" {
		return err
	}
	var known *kerr.Error
	if errors.As(err, &known) {
		return said{known, message}
	}
	return fmt.Errorf("%w (%s)", err, message)
}

// said is a broker's error in its own words. The code stands behind: those who know
// Kafka look for it, and its usual description says less than the message.
type said struct {
	error
	message string
}

func (s said) Error() string {
	var known *kerr.Error
	errors.As(s.error, &known)
	return fmt.Sprintf("%s (%s)", s.message, known.Message)
}

func (s said) Unwrap() error { return s.error }

// completionTime bounds a question to the brokers while a person waits for the
// shell to complete a word.
const completionTime = 2 * time.Second

// completeWith offers what names finds at the brokers; nothing if they do not
// answer soon.
func (a *app) completeWith(r *remote, names func(context.Context, *kadm.Client) ([]string, error)) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		r.silent = true
		ctx, cancel := context.WithTimeout(c.Context(), completionTime)
		defer cancel()
		c.SetContext(ctx)
		var found []string
		err := a.withAdmin(c, r, func(ctx context.Context, adm *kadm.Client) (err error) {
			found, err = names(ctx, adm)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeOne is completeWith for a command with one argument.
func (a *app) completeOne(r *remote, names func(context.Context, *kadm.Client) ([]string, error)) cobra.CompletionFunc {
	complete := a.completeWith(r, names)
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(c, args, toComplete)
	}
}

func topicNames(ctx context.Context, adm *kadm.Client) ([]string, error) {
	topics, err := adm.ListTopics(ctx)
	return topics.Names(), err
}

func groupNames(ctx context.Context, adm *kadm.Client) ([]string, error) {
	groups, err := adm.ListGroups(ctx)
	return groups.Groups(), err
}

func transactionNames(ctx context.Context, adm *kadm.Client) ([]string, error) {
	txns, err := adm.ListTransactions(ctx, nil, nil)
	return txns.TransactionalIDs(), err
}

// sortedKeys are a map's keys in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
