package cli

import "github.com/spf13/cobra"

// limitFlags bound what clients of a node may hold. Quotas, which bound how much they
// may use in a second, are set while it runs.
type limitFlags struct {
	connections, perAddress int
	unauthenticated         int
	ofAddress               map[string]int
}

func (f *limitFlags) flags(c *cobra.Command) {
	c.Flags().IntVar(&f.connections, "max-connections", 0, "connections of all clients (default 4096)")
	c.Flags().IntVar(&f.perAddress, "max-connections-per-address", 0, "connections of one address (default a quarter of all; this machine's may be all)")
	c.Flags().IntVar(&f.unauthenticated, "max-connections-unauthenticated", 0, "connections that have not done yet what their listener demands, of all clients (default an eighth of all, from 64 to 1024)")
	c.Flags().StringToIntVar(&f.ofAddress, "max-connections-of", nil, "ADDRESS=N for an address with a limit of its own, 0 for none; may be repeated")
}
