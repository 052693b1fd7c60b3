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
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/client"
)

const configResources = `RESOURCE is topic/NAME, group/NAME, broker/ID, or broker for the defaults of all brokers.`

func (a *app) configCommand() *cobra.Command {
	return parentCommand("config", "Show and change the settings of topics, groups and brokers", a.configList(), a.configSet(), a.configUnset())
}

// resource is what has configs.
type resource struct {
	topic  string
	group  string
	broker []int32 // none: the defaults of all
}

func parseResource(s string) (resource, error) {
	kind, name, named := strings.Cut(s, "/")
	switch {
	case kind == "topic" && name != "":
		return resource{topic: name}, nil
	case kind == "group" && name != "":
		return resource{group: name}, nil
	case kind == "broker" && !named:
		return resource{}, nil
	case kind == "broker":
		if id, err := strconv.ParseInt(name, 10, 32); err == nil && id >= 0 {
			return resource{broker: []int32{int32(id)}}, nil
		}
	}
	return resource{}, usagef("%q is not a resource: write topic/NAME, group/NAME, broker/ID or broker", s)
}

// configInfo is one setting.
type configInfo struct {
	Key     string  `json:"key"`
	Value   *string `json:"value"` // nil if it is a secret
	Source  string  `json:"source"`
	Default *string `json:"default,omitempty"`
}

func (a *app) configList() *cobra.Command {
	var r remote
	var output string
	var changed bool
	c := &cobra.Command{
		Use:     "list RESOURCE [KEY...]",
		Aliases: []string{"get", "describe"},
		Short:   "Show settings and where they come from",
		Long:    "Show settings and where they come from.\n\n" + configResources,
		Args:    someArgs("a resource, like topic/NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			res, err := parseResource(args[0])
			if err != nil {
				return err
			}
			return a.withConnection(c, &r, func(ctx context.Context, conn *client.Connection) error {
				infos, err := res.configs(ctx, conn)
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				keys := args[1:]
				infos = slices.DeleteFunc(infos, func(i configInfo) bool {
					return len(keys) > 0 && !slices.Contains(keys, i.Key) || changed && i.Source == "default"
				})
				for _, k := range keys {
					if !changed && !slices.ContainsFunc(infos, func(i configInfo) bool { return i.Key == k }) {
						return fmt.Errorf("%s has no setting %s", args[0], k)
					}
				}
				rows := [][]string{{"KEY", "VALUE", "SOURCE"}}
				for _, i := range infos {
					value := "(secret)"
					if i.Value != nil {
						value = *i.Value
					}
					rows = append(rows, []string{i.Key, value, i.Source})
				}
				return printList(c.OutOrStdout(), output, infos, rows)
			})
		},
	}
	c.ValidArgsFunction = a.completeResource(&r)
	r.flags(c)
	outputFlag(c, &output)
	c.Flags().BoolVar(&changed, "changed", false, "only what was set, not defaults")
	return c
}

func (res resource) configs(ctx context.Context, conn *client.Connection) ([]configInfo, error) {
	var all kadm.ResourceConfigs
	var err error
	switch {
	case res.topic != "":
		all, err = conn.Admin().DescribeTopicConfigs(ctx, res.topic)
	case res.group != "":
		all, err = describeGroupConfigs(ctx, conn, res.group)
	default:
		all, err = conn.Admin().DescribeBrokerConfigs(ctx, res.broker...)
		if err != nil && len(res.broker) == 1 {
			err = unknownBroker(ctx, conn.Admin(), res.broker[0], err)
		}
	}
	if err != nil {
		return nil, err
	}
	infos := []configInfo{}
	for _, r := range all {
		if r.Err != nil {
			return nil, withMessage(r.Err, r.ErrMessage)
		}
		for _, e := range r.Configs {
			info := configInfo{Key: e.Key, Value: e.Value, Source: sourceName(e.Source)}
			for _, s := range e.Synonyms {
				if s.Source == kmsg.ConfigSourceDefaultConfig {
					info.Default = s.Value
				}
			}
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(x, y configInfo) int { return strings.Compare(x.Key, y.Key) })
	return infos, nil
}

// unknownBroker is err, or that there is no such broker.
func unknownBroker(ctx context.Context, adm *kadm.Client, id int32, err error) error {
	brokers, listed := adm.ListBrokers(ctx)
	if listed != nil || slices.Contains(brokers.NodeIDs(), id) {
		return err
	}
	return fmt.Errorf("there is no broker %d (millrace cluster info names those that are)", id)
}

// sourceName says in words where a setting comes from.
func sourceName(s kmsg.ConfigSource) string {
	switch s {
	case kmsg.ConfigSourceDynamicTopicConfig:
		return "dynamic topic"
	case kmsg.ConfigSourceGroupConfig:
		return "dynamic group"
	case kmsg.ConfigSourceDynamicBrokerConfig:
		return "dynamic broker"
	case kmsg.ConfigSourceDynamicDefaultBrokerConfig:
		return "dynamic default of brokers"
	case kmsg.ConfigSourceStaticBrokerConfig:
		return "start of the broker"
	case kmsg.ConfigSourceDefaultConfig:
		return "default"
	}
	return strings.ToLower(s.String())
}

func (a *app) configSet() *cobra.Command {
	var r remote
	var dryRun bool
	c := &cobra.Command{
		Use:   "set RESOURCE KEY=VALUE...",
		Short: "Change settings",
		Long:  "Change settings.\n\n" + configResources,
		Example: "  millrace config set topic/orders retention.ms=3600000 cleanup.policy=compact,delete\n" +
			"  millrace config set group/shop consumer.session.timeout.ms=60000",
		Args: someArgs("a resource, like topic/NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			var changes []kadm.AlterConfig
			for _, kv := range args[1:] {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return usagef("%q: write KEY=VALUE", kv)
				}
				changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
			}
			return a.alterConfigs(c, &r, args[0], changes, dryRun, "set")
		},
	}
	c.ValidArgsFunction = a.completeResource(&r)
	r.flags(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "check the change, and change nothing")
	return c
}

func (a *app) configUnset() *cobra.Command {
	var r remote
	var dryRun bool
	c := &cobra.Command{
		Use:   "unset RESOURCE KEY...",
		Short: "Put settings back to their defaults",
		Long:  "Put settings back to their defaults.\n\n" + configResources,
		Args:  someArgs("a resource, like topic/NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			var changes []kadm.AlterConfig
			for _, k := range args[1:] {
				changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: k})
			}
			return a.alterConfigs(c, &r, args[0], changes, dryRun, "unset")
		},
	}
	c.ValidArgsFunction = a.completeResource(&r)
	r.flags(c)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "check the change, and change nothing")
	return c
}

func (a *app) alterConfigs(c *cobra.Command, r *remote, name string, changes []kadm.AlterConfig, dryRun bool, done string) error {
	res, err := parseResource(name)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return usagef("%s needs at least one setting", c.CommandPath())
	}
	return a.withConnection(c, r, func(ctx context.Context, conn *client.Connection) error {
		responses, err := res.alter(ctx, conn, changes, dryRun)
		if err != nil {
			return err
		}
		var errs []error
		for _, resp := range responses {
			if resp.Err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, withMessage(resp.Err, resp.ErrMessage)))
			}
		}
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
		if dryRun {
			done = "would be " + done
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s %s\n", name, plural(len(changes), "setting", "settings"), done)
		return err
	})
}

func (res resource) alter(ctx context.Context, conn *client.Connection, changes []kadm.AlterConfig, dryRun bool) (kadm.AlterConfigsResponses, error) {
	adm := conn.Admin()
	switch {
	case res.group != "":
		return alterGroupConfigs(ctx, conn, res.group, changes, dryRun)
	case res.topic != "" && dryRun:
		return adm.ValidateAlterTopicConfigs(ctx, changes, res.topic)
	case res.topic != "":
		return adm.AlterTopicConfigs(ctx, changes, res.topic)
	case dryRun:
		return adm.ValidateAlterBrokerConfigs(ctx, changes, res.broker...)
	}
	return adm.AlterBrokerConfigs(ctx, changes, res.broker...)
}

// completeResource offers resources for the first argument.
func (a *app) completeResource(r *remote) cobra.CompletionFunc {
	resources := a.completeWith(r, func(ctx context.Context, adm *kadm.Client) ([]string, error) {
		topics, err := topicNames(ctx, adm)
		names := []string{"broker"}
		for _, t := range topics {
			names = append(names, "topic/"+t)
		}
		if err != nil {
			return names, err
		}
		groups, err := groupNames(ctx, adm)
		for _, g := range groups {
			names = append(names, "group/"+g)
		}
		return names, err
	})
	return func(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return resources(c, args, toComplete)
	}
}
