package fakecluster

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/log"
)

// defaultPartitions is kfake's number for a topic that is created without saying
// how many.
const defaultPartitions = 10

// Opt is an option of NewCluster.
type Opt struct{ apply func(*config) }

type config struct {
	seeds   []seed
	brokers map[string]string
}

type seed struct {
	partitions int32
	topics     []string
}

// NumBrokers is the number of brokers that a test wants. A node is one.
func NumBrokers(int) Opt { return Opt{func(*config) {}} }

// SeedTopics creates topics before NewCluster returns; -1 partitions are the default.
func SeedTopics(partitions int32, topics ...string) Opt {
	return Opt{func(c *config) { c.seeds = append(c.seeds, seed{partitions, topics}) }}
}

// BrokerConfigs are configs of the brokers by Kafka's names. NewCluster fails if a
// node has no option for one of them.
func BrokerConfigs(configs map[string]string) Opt {
	return Opt{func(c *config) {
		if c.brokers == nil {
			c.brokers = map[string]string{}
		}
		maps.Copy(c.brokers, configs)
	}}
}

// groups are the options that the broker's configs ask for.
func (c *config) groups() (log.GroupOptions, error) {
	var o log.GroupOptions
	for _, key := range slices.Sorted(maps.Keys(c.brokers)) {
		n, err := strconv.Atoi(c.brokers[key])
		if err != nil {
			return o, fmt.Errorf("%s: %w", key, err)
		}
		switch key {
		case "group.max.size":
			o.MaxSize = n
		case "group.consumer.session.timeout.ms":
			o.ConsumerSession = time.Duration(n) * time.Millisecond
		case "group.consumer.heartbeat.interval.ms":
			o.ConsumerHeartbeat = time.Duration(n) * time.Millisecond
		default:
			return o, fmt.Errorf("a node has no option for %s", key)
		}
	}
	return o, nil
}
