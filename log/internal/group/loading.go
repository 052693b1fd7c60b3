package group

// Loading is how many of the partitions of __consumer_offsets that this node leads are
// still being replayed, and how many it leads.
func (c *Coordinator) Loading() (loading, led int) { return c.host.Loading() }
