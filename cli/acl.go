package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (a *app) aclCommand() *cobra.Command {
	return parentCommand("acl", "Say who may do what", a.aclCreate(), a.aclList(), a.aclDelete())
}

// aclFlags name ACLs: those to create, or a filter for list and delete.
type aclFlags struct {
	remote                remote
	allow, deny           []string
	allowHosts, denyHosts []string
	operations            []string
	topics, groups, ids   []string
	cluster               bool
	pattern               string
	output                string
}

func (f *aclFlags) flags(a *app, c *cobra.Command, patterns ...string) {
	f.remote.flags(c)
	outputFlag(c, &f.output)
	fl := c.Flags()
	// Names of users (those of certificates), groups and transactional ids hold commas.
	fl.StringArrayVar(&f.allow, "allow", nil, "who is allowed: User:NAME, or User:* for everybody; repeatable")
	fl.StringArrayVar(&f.deny, "deny", nil, "who is denied, whatever else allows it; repeatable")
	fl.StringSliceVar(&f.allowHosts, "allow-host", nil, "from which address (default: any)")
	fl.StringSliceVar(&f.denyHosts, "deny-host", nil, "from which address (default: any)")
	fl.StringSliceVar(&f.operations, "operation", nil, "read, write, create, delete, alter, describe, alter_configs, describe_configs, idempotent_write, cluster_action or all; repeatable")
	fl.StringSliceVar(&f.topics, "topic", nil, "topics, or * for all; repeatable")
	fl.StringArrayVar(&f.groups, "group", nil, "groups; repeatable")
	fl.StringArrayVar(&f.ids, "transactional-id", nil, "transactional ids; repeatable")
	fl.BoolVar(&f.cluster, "cluster", false, "the cluster itself")
	fl.StringVar(&f.pattern, "pattern", patterns[0], "how names are meant: "+strings.Join(patterns, ", "))
	oneOf(c, "pattern", &f.pattern, patterns...)
	_ = c.RegisterFlagCompletionFunc("operation", cobra.FixedCompletions([]string{
		"all", "read", "write", "create", "delete", "alter", "describe", "alter_configs", "describe_configs", "idempotent_write", "cluster_action",
	}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("topic", a.completeWith(&f.remote, topicNames))
	_ = c.RegisterFlagCompletionFunc("group", a.completeWith(&f.remote, groupNames))
}

// builder is what the flags say, without what is not given.
func (f *aclFlags) builder() (*kadm.ACLBuilder, error) {
	if err := errors.Join(checkPrincipals("--allow", f.allow), checkPrincipals("--deny", f.deny)); err != nil {
		return nil, err
	}
	b := kadm.NewACLs().
		MaybeAllow(f.allow...).MaybeDeny(f.deny...).
		MaybeAllowHosts(f.allowHosts...).MaybeDenyHosts(f.denyHosts...).
		MaybeTopics(f.topics...).MaybeGroups(f.groups...).MaybeTransactionalIDs(f.ids...).MaybeClusters(f.cluster)
	var operations []kmsg.ACLOperation
	for _, name := range f.operations {
		op, err := kmsg.ParseACLOperation(strings.ToLower(name))
		if err != nil || op == kmsg.ACLOperationUnknown {
			return nil, usagef("--operation %q: use read, write, create, delete, alter, describe, alter_configs, describe_configs, idempotent_write, cluster_action or all", name)
		}
		operations = append(operations, op)
	}
	b.MaybeOperations(operations...)
	pattern, err := kmsg.ParseACLResourcePatternType(f.pattern)
	if err != nil {
		return nil, usagef("--pattern %q: %v", f.pattern, err)
	}
	b.ResourcePatternType(pattern).PrefixUserExcept("User:")
	return b, nil
}

// checkPrincipals refuses what looks like a type of principal and is none: it would be
// the name of a user whom nobody meant.
func checkPrincipals(flag string, principals []string) error {
	for _, p := range principals {
		kind, name, ok := strings.Cut(p, ":")
		if ok && kind != "User" && strings.EqualFold(kind, "User") {
			return usagef("%s %q: the type of a principal is written User:%s", flag, p, name)
		}
	}
	return nil
}

// aclInfo is one ACL.
type aclInfo struct {
	Permission string `json:"permission"`
	Principal  string `json:"principal"`
	Host       string `json:"host"`
	Operation  string `json:"operation"`
	Resource   string `json:"resource"`
	Name       string `json:"name"`
	Pattern    string `json:"pattern"`
}

func (f *aclFlags) print(c *cobra.Command, acls []aclInfo) error {
	rows := [][]string{{"PERMISSION", "PRINCIPAL", "HOST", "OPERATION", "RESOURCE", "NAME", "PATTERN"}}
	for _, x := range acls {
		rows = append(rows, []string{x.Permission, x.Principal, x.Host, x.Operation, x.Resource, x.Name, x.Pattern})
	}
	return printList(c.OutOrStdout(), f.output, acls, rows)
}

func (a *app) aclCreate() *cobra.Command {
	var f aclFlags
	c := &cobra.Command{
		Use:   "create --allow User:NAME --operation OPERATION --topic TOPIC",
		Short: "Allow or deny operations on topics, groups, transactional ids or the cluster",
		Example: `  millrace acl create --allow User:anna --operation read --topic orders --group billing
  millrace acl create --allow User:shop --operation write --topic shop- --pattern prefixed`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := f.builder()
			if err != nil {
				return err
			}
			switch {
			case len(f.allow)+len(f.deny) == 0:
				return usagef("%s needs --allow or --deny: who", c.CommandPath())
			case len(f.operations) == 0:
				return usagef("%s needs --operation: what", c.CommandPath())
			case !b.HasResource():
				return usagef("%s needs --topic, --group, --transactional-id or --cluster: on what", c.CommandPath())
			}
			if err := b.ValidateCreate(); err != nil {
				return usageError{err}
			}
			return a.withAdmin(c, &f.remote, func(ctx context.Context, adm *kadm.Client) error { return f.create(ctx, c, adm, b) })
		},
	}
	f.flags(a, c, "literal", "prefixed")
	return c
}

func (f *aclFlags) create(ctx context.Context, c *cobra.Command, adm *kadm.Client, b *kadm.ACLBuilder) error {
	results, err := adm.CreateACLs(ctx, b)
	if err != nil {
		return err
	}
	created := []aclInfo{}
	var errs []error
	for _, r := range results {
		info := aclInfo{r.Permission.String(), r.Principal, r.Host, r.Operation.String(), r.Type.String(), r.Name, r.Pattern.String()}
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("%s %s %s on %s %s: %w", info.Permission, info.Principal, info.Operation, info.Resource, info.Name, withMessage(r.Err, r.ErrMessage)))
			continue
		}
		created = append(created, info)
	}
	if len(created) > 0 {
		errs = append(errs, f.print(c, created))
	}
	return errors.Join(errs...)
}

// narrows tells whether the flags leave out any ACL.
func (f *aclFlags) narrows() bool {
	return len(f.allow)+len(f.deny)+len(f.allowHosts)+len(f.denyHosts)+len(f.operations) > 0 ||
		len(f.topics)+len(f.groups)+len(f.ids) > 0 || f.cluster || f.pattern != "any"
}

// filter is the flags as a filter: what is not given matches everything.
func (f *aclFlags) filter() (*kadm.ACLBuilder, error) {
	b, err := f.builder()
	if err != nil {
		return nil, err
	}
	if len(f.allow)+len(f.deny) == 0 {
		b.Allow().Deny()
	}
	if len(f.allowHosts) == 0 && (len(f.allow) > 0 || len(f.deny) == 0) {
		b.AllowHosts()
	}
	if len(f.denyHosts) == 0 && (len(f.deny) > 0 || len(f.allow) == 0) {
		b.DenyHosts()
	}
	if len(f.operations) == 0 {
		b.Operations()
	}
	if !b.HasResource() {
		b.AnyResource()
	}
	return b, nil
}

func (a *app) aclList() *cobra.Command {
	var f aclFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List ACLs; flags narrow them down",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := f.filter()
			if err != nil {
				return err
			}
			return a.withAdmin(c, &f.remote, func(ctx context.Context, adm *kadm.Client) error {
				acls, err := listACLs(ctx, adm, b)
				if err != nil {
					return err
				}
				return f.print(c, acls)
			})
		},
	}
	f.flags(a, c, "any", "match", "literal", "prefixed")
	return c
}

// listACLs are what the filters match, each once.
func listACLs(ctx context.Context, adm *kadm.Client, b *kadm.ACLBuilder) ([]aclInfo, error) {
	results, err := adm.DescribeACLs(ctx, b)
	if err != nil {
		return nil, err
	}
	acls := []aclInfo{}
	seen := map[aclInfo]bool{}
	var errs []error
	for _, r := range results {
		if r.Err != nil {
			errs = append(errs, withMessage(r.Err, r.ErrMessage))
		}
		for _, d := range r.Described {
			info := aclInfo{d.Permission.String(), d.Principal, d.Host, d.Operation.String(), d.Type.String(), d.Name, d.Pattern.String()}
			if !seen[info] {
				seen[info] = true
				acls = append(acls, info)
			}
		}
	}
	return acls, errors.Join(errs...)
}

func (a *app) aclDelete() *cobra.Command {
	var f aclFlags
	var all, dryRun bool
	c := &cobra.Command{
		Use:   "delete",
		Short: "Delete the ACLs that the flags match",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := f.builder()
			if err != nil {
				return err
			}
			if !f.narrows() && !all {
				return usagef("%s without a filter deletes every ACL: say --all if that is meant", c.CommandPath())
			}
			if b, err = f.filter(); err != nil {
				return err
			}
			return a.withAdmin(c, &f.remote, func(ctx context.Context, adm *kadm.Client) error {
				if dryRun {
					acls, err := listACLs(ctx, adm, b)
					if err != nil {
						return err
					}
					return f.print(c, acls)
				}
				return f.delete(ctx, c, adm, b)
			})
		},
	}
	f.flags(a, c, "any", "match", "literal", "prefixed")
	c.Flags().BoolVar(&all, "all", false, "delete all, if nothing narrows it down")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be deleted, and delete nothing")
	return c
}

func (f *aclFlags) delete(ctx context.Context, c *cobra.Command, adm *kadm.Client, b *kadm.ACLBuilder) error {
	results, err := adm.DeleteACLs(ctx, b)
	if err != nil {
		return err
	}
	deleted := []aclInfo{}
	var errs []error
	for _, r := range results {
		if r.Err != nil {
			errs = append(errs, withMessage(r.Err, r.ErrMessage))
		}
		for _, d := range r.Deleted {
			if d.Err != nil {
				errs = append(errs, withMessage(d.Err, d.ErrMessage))
				continue
			}
			deleted = append(deleted, aclInfo{d.Permission.String(), d.Principal, d.Host, d.Operation.String(), d.Type.String(), d.Name, d.Pattern.String()})
		}
	}
	if len(deleted) > 0 || len(errs) == 0 {
		errs = append(errs, f.print(c, deleted))
	}
	return errors.Join(errs...)
}
