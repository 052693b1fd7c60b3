package broker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// addresses counts the connections of each address. The zero value is ready; it may
// be used concurrently. It has at most as many entries as there are connections.
type addresses struct {
	mu   sync.Mutex
	open map[string]int // guarded by mu; by host
}

// enter is false if the host has limit connections already; 0 is no limit. Who
// entered leaves.
func (a *addresses) enter(host string, limit int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if limit > 0 && a.open[host] >= limit {
		return false
	}
	if a.open == nil {
		a.open = map[string]int{}
	}
	a.open[host]++
	return true
}

func (a *addresses) leave(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[host]--; a.open[host] == 0 {
		delete(a.open, host)
	}
}

// perAddress is how many connections a host may have. Without a limit that was given,
// the clients of this machine, which all come from one address, may have them all.
func (l *Limits) perAddress(host string) int {
	if n, ok := l.ConnectionsOfAddress[host]; ok {
		return n
	}
	if l.ConnectionsPerAddress > 0 {
		return l.ConnectionsPerAddress
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return 0
	}
	return max(l.Connections/4, 1)
}

// overrides are the bounds of single addresses as Kafka writes them.
func (l *Limits) overrides() string {
	var parts []string
	for _, ip := range slices.Sorted(maps.Keys(l.ConnectionsOfAddress)) {
		parts = append(parts, fmt.Sprintf("%s:%d", ip, l.ConnectionsOfAddress[ip]))
	}
	return strings.Join(parts, ",")
}
