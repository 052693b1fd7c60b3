package txn

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/internal/coord"
)

// The records of __transaction_state, in Kafka's schemas.
const (
	recordKeyVersion = 0
	// Version 1 has tagged fields: among them the producer ids before and after a
	// rotation, without which a client that asks again after a failover is fenced
	// (KAFKA-20310). Version 0 is read as well.
	recordValueVersion = 1

	// lastEpochTag is the tagged field of the last producer epoch, an int16 that is
	// left out if there is none (KAFKA-20357). The codec knows the tags up to 3, the
	// next producer epoch of KIP-939; Kafka numbers tags without holes.
	lastEpochTag = 4
)

func recordKey(id string) []byte {
	k := kmsg.NewTxnMetadataKey()
	k.Version, k.TransactionalID = recordKeyVersion, id
	return k.AppendTo(nil)
}

func recordValue(t *transaction) []byte {
	v := kmsg.NewTxnMetadataValue()
	v.Version = recordValueVersion
	v.ProducerID, v.ProducerEpoch = t.pid, t.epoch
	v.PreviousProducerID, v.NextProducerID = t.prevPid, t.nextPid
	v.TimeoutMillis, v.State = t.timeoutMs, kmsg.TransactionState(t.state)
	v.LastUpdateTimestamp, v.StartTimestamp = t.updateMs, t.startMs
	v.ClientTransactionVersion = t.version
	if t.lastEpoch != none {
		v.UnknownTags.Set(lastEpochTag, binary.BigEndian.AppendUint16(nil, uint16(t.lastEpoch)))
	}
	v.Topics = []kmsg.TxnMetadataValueTopic{}
	for _, p := range t.partitions {
		n := len(v.Topics)
		if n == 0 || v.Topics[n-1].Topic != p.Topic {
			vt := kmsg.NewTxnMetadataValueTopic()
			vt.Topic = p.Topic
			v.Topics = append(v.Topics, vt)
			n++
		}
		v.Topics[n-1].Partitions = append(v.Topics[n-1].Partitions, p.Partition)
	}
	return v.AppendTo(nil)
}

// Replay takes over a committed record of the partition; records come in offset
// order, before the first Step.
func (c *Core) Replay(r coord.Record) error {
	if r.Control {
		return nil // nobody writes them here
	}
	var k kmsg.TxnMetadataKey
	if err := k.ReadFrom(r.Key); err != nil || k.Version != recordKeyVersion {
		return fmt.Errorf("replay offset %d: key of version %d: %v", r.Offset, k.Version, err)
	}
	if r.Value == nil {
		delete(c.txns, k.TransactionalID)
		return nil
	}
	t, err := decodeRecord(k.TransactionalID, r.Value)
	if err != nil {
		return fmt.Errorf("replay offset %d of transactional id %q: %w", r.Offset, k.TransactionalID, err)
	}
	c.txns[t.id] = t
	return nil
}

func decodeRecord(id string, value []byte) (*transaction, error) {
	var v kmsg.TxnMetadataValue
	if err := v.ReadFrom(value); err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	t := &transaction{id: id, state: State(v.State), pid: v.ProducerID, prevPid: v.PreviousProducerID,
		nextPid: v.NextProducerID, epoch: v.ProducerEpoch, lastEpoch: none, timeoutMs: v.TimeoutMillis,
		startMs: v.StartTimestamp, updateMs: v.LastUpdateTimestamp, version: max(v.ClientTransactionVersion, 1)}
	if t.state < Empty || t.state > CompleteAbort {
		return nil, fmt.Errorf("value: unknown state %d", v.State)
	}
	v.UnknownTags.Each(func(tag uint32, b []byte) {
		if tag == lastEpochTag && len(b) == 2 {
			t.lastEpoch = int16(binary.BigEndian.Uint16(b))
		}
	})
	for _, vt := range v.Topics {
		t.add(appendPartitions(nil, vt.Topic, vt.Partitions))
	}
	return t, nil
}
