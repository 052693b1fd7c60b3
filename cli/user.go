package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func (a *app) userCommand() *cobra.Command {
	return parentCommand("user", "Make, list and delete users and their passwords",
		a.userCreate(), a.userPassword(), a.userList(), a.userDelete())
}

// scramIterations is the most that brokers take: it is done once for each password
// that is set, and a guesser does it for every guess.
const scramIterations = 16384

// newPassword is where a user's new password comes from.
type newPassword struct {
	remote     remote
	file       passwordFile
	mechanisms []string
}

func (n *newPassword) flags(c *cobra.Command) {
	n.remote.flags(c)
	n.file.name = "new-password-file"
	c.Flags().StringVar(&n.file.path, n.file.name, "", "file with the user's password, - for standard input (default: a random one, which is printed)")
	c.Flags().StringSliceVar(&n.mechanisms, "mechanism", []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}, "how the user may authenticate; PLAIN works with either")
	_ = c.RegisterFlagCompletionFunc("mechanism", cobra.FixedCompletions([]string{"SCRAM-SHA-256", "SCRAM-SHA-512"}, cobra.ShellCompDirectiveNoFileComp))
}

// password is the new one; made says that nobody knows it yet.
func (n *newPassword) password(a *app) (password string, made bool, err error) {
	if n.file.path == "" {
		return rand.Text(), true, nil
	}
	a.warnExposed(n.file.path)
	password, err = n.file.read(a.stdin)
	if err != nil {
		return "", false, usageError{err}
	}
	return password, false, nil
}

func parseMechanism(name string) (kadm.ScramMechanism, error) {
	switch strings.ToUpper(name) {
	case "SCRAM-SHA-256":
		return kadm.ScramSha256, nil
	case "SCRAM-SHA-512":
		return kadm.ScramSha512, nil
	}
	return 0, usagef("--mechanism %q: use SCRAM-SHA-256 or SCRAM-SHA-512", name)
}

// setPassword gives a user a password. The user must be there already, or must not be.
func (a *app) setPassword(c *cobra.Command, n *newPassword, name string, exists bool) error {
	var upserts []kadm.UpsertSCRAM
	password, made, err := n.password(a)
	for _, text := range n.mechanisms {
		m, merr := parseMechanism(text)
		err = errors.Join(err, merr)
		upserts = append(upserts, kadm.UpsertSCRAM{User: name, Mechanism: m, Iterations: scramIterations, Password: password})
	}
	if err != nil {
		return err
	}
	return a.withAdmin(c, &n.remote, func(ctx context.Context, adm *kadm.Client) error {
		users, err := adm.DescribeUserSCRAMs(ctx)
		if err != nil {
			return err
		}
		if _, there := users[name]; there && !exists {
			return fmt.Errorf("there is a user %s already (millrace user password sets another password)", name)
		} else if !there && exists {
			return fmt.Errorf("there is no user %s (millrace user create makes one)", name)
		}
		if err := alterUsers(ctx, adm, nil, upserts); err != nil {
			return err
		}
		done := "created user"
		if exists {
			done = "set the password of user"
		}
		fmt.Fprintf(c.OutOrStdout(), "%s %s\n", done, name)
		if made {
			fmt.Fprintf(c.OutOrStdout(), "password %s\n", password)
		}
		return nil
	})
}

func alterUsers(ctx context.Context, adm *kadm.Client, deletes []kadm.DeleteSCRAM, upserts []kadm.UpsertSCRAM) error {
	altered, err := adm.AlterUserSCRAMs(ctx, deletes, upserts)
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range altered.Sorted() {
		if x.Err != nil {
			errs = append(errs, fmt.Errorf("user %s: %w", x.User, withMessage(x.Err, x.ErrMessage)))
		}
	}
	return errors.Join(errs...)
}

func (a *app) userCreate() *cobra.Command {
	var n newPassword
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a user",
		Long: `Make a user. What he may do is said by ACLs (millrace acl create), if the nodes
run with --authorize.`,
		Args: exactArgs("a user's name"),
		RunE: func(c *cobra.Command, args []string) error { return a.setPassword(c, &n, args[0], false) },
	}
	n.flags(c)
	return c
}

func (a *app) userPassword() *cobra.Command {
	var n newPassword
	c := &cobra.Command{
		Use:   "password NAME",
		Short: "Set a user's password",
		Args:  exactArgs("a user's name"),
		RunE:  func(c *cobra.Command, args []string) error { return a.setPassword(c, &n, args[0], true) },
	}
	n.flags(c)
	c.ValidArgsFunction = a.completeWith(&n.remote, userNames)
	return c
}

// userInfo is a user and how he may authenticate.
type userInfo struct {
	User       string   `json:"user"`
	Mechanisms []string `json:"mechanisms"`
}

func (a *app) userList() *cobra.Command {
	var r remote
	var output string
	c := &cobra.Command{
		Use:   "list",
		Short: "List users",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				users, err := adm.DescribeUserSCRAMs(ctx)
				if err != nil {
					return err
				}
				infos := []userInfo{}
				rows := [][]string{{"USER", "MECHANISMS"}}
				for _, u := range users.Sorted() {
					info := userInfo{u.User, []string{}}
					for _, m := range u.CredInfos {
						info.Mechanisms = append(info.Mechanisms, m.Mechanism.String())
					}
					slices.Sort(info.Mechanisms)
					infos = append(infos, info)
					rows = append(rows, []string{u.User, strings.Join(info.Mechanisms, ", ")})
				}
				return printList(c.OutOrStdout(), output, infos, rows)
			})
		},
	}
	r.flags(c)
	outputFlag(c, &output)
	return c
}

func (a *app) userDelete() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete users; their connections are closed",
		Args:  someArgs("a user's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				users, err := adm.DescribeUserSCRAMs(ctx)
				if err != nil {
					return err
				}
				var deletes []kadm.DeleteSCRAM
				var errs []error
				for _, name := range args {
					u, there := users[name]
					if !there {
						errs = append(errs, fmt.Errorf("there is no user %s", name))
					}
					for _, m := range u.CredInfos {
						deletes = append(deletes, kadm.DeleteSCRAM{User: name, Mechanism: m.Mechanism})
					}
				}
				if err := errors.Join(errs...); err != nil {
					return err
				}
				if err := alterUsers(ctx, adm, deletes, nil); err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "deleted %s\n", strings.Join(args, ", "))
				return err
			})
		},
	}
	c.ValidArgsFunction = a.completeWith(&r, userNames)
	r.flags(c)
	return c
}

func userNames(ctx context.Context, adm *kadm.Client) ([]string, error) {
	users, err := adm.DescribeUserSCRAMs(ctx)
	return sortedKeys(users), err
}
