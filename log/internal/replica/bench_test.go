package replica

import (
	"testing"

	"github.com/millrace/millrace/internal/vfs"
	"github.com/millrace/millrace/log/internal/storage"
)

// BenchmarkAppend is what a batch of 100 bytes costs on its way through the
// partition: with acks=1 under the policy os, so that no sync is in it.
func BenchmarkAppend(b *testing.B) {
	n, err := openNode(vfs.NewMem(), storage.OS)
	if err != nil {
		b.Fatal(err)
	}
	defer n.close()
	topic, err := n.createTopic("a", 1)
	if err != nil {
		b.Fatal(err)
	}
	p, err := n.manager.Partition(topic.ID, 0)
	if err != nil {
		b.Fatal(err)
	}
	data := batch("one hundred bytes or so")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Append(b.Context(), data, AppendOptions{Acks: AcksLeader, LeaderEpoch: -1}); err != nil {
			b.Fatal(err)
		}
	}
}
