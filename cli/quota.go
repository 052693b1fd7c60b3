package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func (a *app) quotaCommand() *cobra.Command {
	return parentCommand("quota", "Bound what users, clients and addresses may take", a.quotaList(), a.quotaSet(), a.quotaUnset())
}

const quotaEntities = `ENTITY is user/NAME, client-id/NAME or ip/ADDRESS; user, client-id or ip alone is the
default of those without a quota of their own; user/NAME,client-id/NAME is one user's client.`

// parseEntity reads whose quota it is.
func parseEntity(s string) (kadm.ClientQuotaEntity, error) {
	var e kadm.ClientQuotaEntity
	for part := range strings.SplitSeq(s, ",") {
		kind, name, named := strings.Cut(part, "/")
		known := contains([]string{"user", "client-id", "ip"}, kind)
		if last := len(e) - 1; !known && last >= 0 && e[last].Name != nil {
			*e[last].Name += "," + part // names of certificates have commas
			continue
		}
		if !known || named && name == "" {
			return nil, usagef("%q is not an entity: write user/NAME, client-id/NAME, ip/ADDRESS, or user,client-id,ip alone for a default", s)
		}
		c := kadm.ClientQuotaEntityComponent{Type: kind}
		if named {
			c.Name = &name
		}
		e = append(e, c)
	}
	return e, nil
}

// quotaInfo is the quotas of one entity.
type quotaInfo struct {
	Entity map[string]*string `json:"entity"` // a name of null is the default of its kind
	Quotas map[string]float64 `json:"quotas"`
}

func (a *app) quotaList() *cobra.Command {
	var r remote
	var output string
	c := &cobra.Command{
		Use:   "list",
		Short: "List quotas",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withAdmin(c, &r, func(ctx context.Context, adm *kadm.Client) error {
				described, err := adm.DescribeClientQuotas(ctx, false, nil)
				if err != nil {
					return err
				}
				infos := []quotaInfo{}
				rows := [][]string{{"ENTITY", "QUOTA", "VALUE"}}
				for _, d := range described {
					info := quotaInfo{map[string]*string{}, map[string]float64{}}
					for _, e := range d.Entity {
						info.Entity[e.Type] = e.Name
					}
					for _, v := range d.Values {
						info.Quotas[v.Key] = v.Value
						rows = append(rows, []string{entityText(d.Entity), v.Key, strconv.FormatFloat(v.Value, 'f', -1, 64)})
					}
					infos = append(infos, info)
				}
				slices.SortFunc(rows[1:], func(x, y []string) int { return strings.Compare(x[0]+x[1], y[0]+y[1]) })
				return printList(c.OutOrStdout(), output, infos, rows)
			})
		},
	}
	r.flags(c)
	outputFlag(c, &output)
	return c
}

// entityText is an entity for people: user anna, client-id (default).
func entityText(e kadm.ClientQuotaEntity) string {
	var parts []string
	for _, x := range e {
		name := "(default)"
		if x.Name != nil {
			name = *x.Name
		}
		parts = append(parts, x.Type+" "+name)
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

const quotaKeys = `Quotas of users and client ids:
  producer_byte_rate        bytes a second that they may write
  consumer_byte_rate        bytes a second that they may read
  request_percentage        percent of one processor that their requests may take
  controller_mutation_rate  partitions a second that they may create and delete
Quotas of addresses:
  connection_creation_rate  connections a second`

func (a *app) quotaSet() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:     "set ENTITY QUOTA=VALUE...",
		Short:   "Set quotas of a user, client id or address",
		Long:    "Set quotas of a user, client id or address.\n\n" + quotaEntities + "\n\n" + quotaKeys,
		Example: "  millrace quota set user/anna producer_byte_rate=1048576",
		Args:    someArgs("an entity, like user/NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			var ops []kadm.AlterClientQuotaOp
			for _, kv := range args[1:] {
				k, v, _ := strings.Cut(kv, "=")
				value, err := strconv.ParseFloat(v, 64)
				if err != nil {
					return usagef("%q: write QUOTA=NUMBER", kv)
				}
				ops = append(ops, kadm.AlterClientQuotaOp{Key: k, Value: value})
			}
			return a.alterQuotas(c, &r, args[0], ops, "set")
		},
	}
	r.flags(c)
	return c
}

func (a *app) quotaUnset() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:   "unset ENTITY QUOTA...",
		Short: "Remove quotas of a user, client id or address",
		Long:  "Remove quotas of a user, client id or address.\n\n" + quotaEntities + "\n\n" + quotaKeys,
		Args:  someArgs("an entity, like user/NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			var ops []kadm.AlterClientQuotaOp
			for _, k := range args[1:] {
				ops = append(ops, kadm.AlterClientQuotaOp{Key: k, Remove: true})
			}
			return a.alterQuotas(c, &r, args[0], ops, "removed")
		},
	}
	r.flags(c)
	return c
}

func (a *app) alterQuotas(c *cobra.Command, r *remote, name string, ops []kadm.AlterClientQuotaOp, done string) error {
	entity, err := parseEntity(name)
	if err != nil {
		return err
	}
	if len(ops) == 0 {
		return usagef("%s needs at least one quota", c.CommandPath())
	}
	return a.withAdmin(c, r, func(ctx context.Context, adm *kadm.Client) error {
		altered, err := adm.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{Entity: entity, Ops: ops}})
		if err != nil {
			return err
		}
		var errs []error
		for _, x := range altered {
			if x.Err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", entityText(entity), withMessage(x.Err, x.ErrMessage)))
			}
		}
		if len(errs) == 0 {
			fmt.Fprintf(c.OutOrStdout(), "%s: %s %s\n", entityText(entity), plural(len(ops), "quota", "quotas"), done)
		}
		return errors.Join(errs...)
	})
}
