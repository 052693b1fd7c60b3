package replica

import (
	"github.com/twmb/franz-go/pkg/kerr"
)

// Fail takes every partition that is open out of service because the disk has
// failed: what waits for an acknowledgement gets KAFKA_STORAGE_ERROR instead, at
// once, and so does whoever comes. It may be called from any goroutine, but not
// from one that an append or a sync waits for.
func (m *Manager) Fail(cause error) {
	m.mu.RLock()
	var open []*Partition
	for _, t := range m.open {
		for _, p := range t.partitions {
			open = append(open, p)
		}
	}
	m.mu.RUnlock()
	for _, p := range open {
		p.resign(refuse(kerr.KafkaStorageError, "%s/%d is out of service: %v", p.name, p.index, cause))
	}
}
