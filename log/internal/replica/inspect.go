package replica

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/log/internal/storage"
)

// Producer is what a partition knows of a producer.
type Producer struct {
	ID    int64
	Epoch int16
	// LastSequence is of its last record, -1 if it has sent none in this epoch.
	LastSequence int32
	// LastTimestampMs is the highest timestamp of its last batch.
	LastTimestampMs int64
	// CoordinatorEpoch is of the coordinator that ended its last transaction, or -1.
	CoordinatorEpoch int32
	// TransactionStart is the first offset of its open transaction, or -1. The
	// smallest one of all is what the last stable offset waits for.
	TransactionStart int64
}

// Producers are the producers that the partition remembers, by id.
func (p *Partition) Producers() []Producer {
	known := p.log.Producers()
	producers := make([]Producer, len(known))
	for i, s := range known {
		producers[i] = Producer{ID: s.ProducerID, Epoch: s.Epoch, LastSequence: s.LastSequence,
			LastTimestampMs: s.LastTimestampMs, CoordinatorEpoch: s.CoordinatorEpoch, TransactionStart: s.TxnFirstOffset}
	}
	return producers
}

// Size is the number of bytes of records that the partition takes on disk.
func (p *Partition) Size() int64 { return p.log.Size() }

// Partitions are the partitions that this node leads now, by topic and number.
func (m *Manager) Partitions() []*Partition {
	ps := m.all()
	slices.SortFunc(ps, func(a, b *Partition) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.index, b.index))
	})
	return ps
}

// Dir is the data directory.
func (m *Manager) Dir() string { return m.o.Disk.Dir() }

// Space is how large the volume of the data directory is, and what is free of it.
func (m *Manager) Space() (storage.Space, error) { return m.o.Disk.Space() }
