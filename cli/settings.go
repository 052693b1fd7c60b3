package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	millog "github.com/millrace/millrace/log"
	"github.com/millrace/millrace/operators/spec"
)

// settingFlags are the settings that a node is given by the names of Kafka's broker
// configs.
type settingFlags struct {
	given []string
	flags *pflag.FlagSet // the others of the command
}

func (s *settingFlags) add(c *cobra.Command) {
	s.flags = c.Flags()
	s.flags.StringArrayVarP(&s.given, "config", "c", nil,
		"KEY=VALUE, a setting by the name of Kafka's broker config, like group.max.size=100 (docs/operations.md lists them); repeatable")
	_ = c.RegisterFlagCompletionFunc("config", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var keys []string
		for _, s := range millog.Settings() {
			keys = append(keys, s.Key+"=")
		}
		return keys, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// changed says whether a flag of the command was given.
func (s *settingFlags) changed(flag string) bool { return s.flags != nil && s.flags.Changed(flag) }

// ownFlags are the settings that have a flag of their own.
var ownFlags = map[string]string{
	"auto.create.topics.enable":        "no-auto-create",
	"max.connections":                  "max-connections",
	"max.connections.per.ip":           "max-connections-per-address",
	"max.connections.per.ip.overrides": "max-connections-of",
	"num.partitions":                   "default-partitions",
	"offsets.retention.minutes":        "offsets-retention",
}

// elsewhere is what of a broker's configs is said by flags alone, and how.
var elsewhere = map[string]string{
	"advertised.listeners":                "--listen 'PROTOCOL://HOST:PORT?advertise=HOST:PORT'",
	"allow.everyone.if.no.acl.found":      "--allow-if-no-acl",
	"authorizer.class.name":               "--authorize",
	"connections.max.reauth.ms":           "--sasl-session",
	"listener.security.protocol.map":      "--listen PROTOCOL://HOST:PORT",
	"listeners":                           "--listen PROTOCOL://HOST:PORT",
	"log.dir":                             "--data",
	"log.dirs":                            "--data",
	"log.cleaner.io.max.bytes.per.second": "--compaction-rate",
	"log.flush.interval.messages":         "--sync",
	"log.flush.interval.ms":               "--sync",
	"sasl.enabled.mechanisms":             "--listen 'sasl_ssl://HOST:PORT?mechanisms=A,B'",
	"ssl.client.auth":                     "--listen 'ssl://HOST:PORT?client-cert=require'",
	"ssl.keystore.location":               "--tls-cert and --tls-key",
	"ssl.principal.mapping.rules":         "--principal-rules",
	"ssl.truststore.location":             "--tls-client-ca",
	"super.users":                         "--super-user",
}

// inMilliseconds are the defaults of topics that Kafka also takes in other units.
var inMilliseconds = map[string]string{
	"log.retention.hours":   "log.retention.ms",
	"log.retention.minutes": "log.retention.ms",
	"log.roll.hours":        "log.roll.ms",
	"log.roll.jitter.hours": "log.roll.jitter.ms",
}

// apply gives o the settings, and says of all that cannot be what to write instead.
func (s *settingFlags) apply(o *millog.Options) error {
	var faults []error
	seen := map[string]bool{}
	for _, kv := range s.given {
		key, value, ok := strings.Cut(kv, "=")
		key = strings.TrimSpace(key)
		flag, own := ownFlags[key]
		switch {
		case !ok || key == "":
			faults = append(faults, fmt.Errorf("--config %q: write KEY=VALUE", kv))
		case seen[key]:
			faults = append(faults, fmt.Errorf("--config %s is given twice", key))
		case elsewhere[key] != "":
			faults = append(faults, fmt.Errorf("--config %s: say it with %s", key, elsewhere[key]))
		case inMilliseconds[key] != "":
			faults = append(faults, fmt.Errorf("--config %s: start the node, then millrace config set broker %s=MILLISECONDS", key, inMilliseconds[key]))
		case own && s.changed(flag):
			faults = append(faults, fmt.Errorf("--config %s and --%s mean the same: give one of them", key, flag))
		default:
			faults = append(faults, setting(o, key, value))
		}
		seen[key] = true
	}
	if err := errors.Join(faults...); err != nil {
		return usageError{err}
	}
	return nil
}

func setting(o *millog.Options, key, value string) error {
	err := o.Set(key, value)
	if errors.Is(err, millog.ErrUnknownSetting) {
		var keys []string
		for _, s := range millog.Settings() {
			keys = append(keys, s.Key)
		}
		if near := spec.Nearest(key, slices.Concat(keys, sortedKeys(elsewhere))); near != "" {
			return fmt.Errorf("--config %w; did you mean %s?", err, near)
		}
		return fmt.Errorf("--config %w: docs/operations.md lists those that there are", err)
	}
	if err != nil {
		return fmt.Errorf("--config %w", err)
	}
	return nil
}
