package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/log/client"
)

// defaultListen is where a node listens and where clients look for one.
const defaultListen = "127.0.0.1:9092"

// remote is a cluster that a command talks to over the network.
type remote struct {
	brokers string
	timeout time.Duration
	logger  *slog.Logger // nil is slog.Default
}

func (r *remote) flags(c *cobra.Command) {
	c.Flags().StringVarP(&r.brokers, "brokers", "b", defaultListen, "brokers to ask, host:port,...")
	c.Flags().DurationVar(&r.timeout, "timeout", 10*time.Second, "how long to look for the brokers")
}

// seeds splits the list of brokers; a host alone means Kafka's port.
func seeds(brokers string) ([]string, error) {
	var all []string
	for _, b := range strings.Split(brokers, ",") {
		b = strings.TrimSpace(b)
		if b == "" {
			continue
		}
		if !strings.Contains(b, ":") {
			b += ":9092"
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, usagef("--brokers is empty: name at least one host:port")
	}
	return all, nil
}

// connect dials the brokers and makes sure that one answers.
func (r *remote) connect(ctx context.Context) (*client.Client, client.Cluster, func(), error) {
	addrs, err := seeds(r.brokers)
	if err != nil {
		return nil, nil, nil, err
	}
	cluster, closer, err := client.Dial("millrace", addrs...)
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	cl := client.New(cluster, client.Options{Logger: r.logger})
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if _, err := cl.Describe(ctx); err != nil {
		closer()
		return nil, nil, nil, fmt.Errorf("no broker at %s answers: %w (is a node running there? millrace server starts one)", r.brokers, err)
	}
	return cl, cluster, closer, nil
}
