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
	conn, err := r.connection(c.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	return firstShard(do(c.Context(), conn))
}

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
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no command %q: use one of %s", c.CommandPath(), args[0], names)
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
	return fmt.Errorf("%w (%s)", err, message)
}

// completionTime bounds a question to the brokers while a person waits for the
// shell to complete a word.
const completionTime = 2 * time.Second

// completeWith offers what names finds at the brokers; nothing if they do not
// answer soon.
func (a *app) completeWith(r *remote, names func(context.Context, *kadm.Client) ([]string, error)) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
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
