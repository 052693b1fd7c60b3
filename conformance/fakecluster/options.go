package fakecluster

// defaultPartitions is kfake's number for a topic that is created without saying
// how many.
const defaultPartitions = 10

// Opt is an option of NewCluster.
type Opt struct{ apply func(*config) }

type config struct {
	seeds []seed
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

// BrokerConfigs are configs of the brokers that a test wants. A node has no settings
// for those of kfake; a test that depends on one is in ../allow/kfake.txt.
func BrokerConfigs(map[string]string) Opt { return Opt{func(*config) {}} }
