package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/millrace/millrace/log/client"
)

// writer is where an epoch's records go: into a transaction, or, for a pipeline
// that asks for no more than at least once, straight into the log.
type writer interface {
	Partitions(ctx context.Context, topic string) (int32, error)
	Append(topic string, partition int32, timestampMs int64, key, value []byte, headers ...client.Header) error
	Flush(ctx context.Context) error
	Close() error

	init(ctx context.Context) error
	// commit makes everything since the last commit visible, with the offsets.
	commit(ctx context.Context, g client.GroupMeta, offsets map[client.TopicPartition]client.Committed) error
	// abort drops it.
	abort(ctx context.Context) error
}

// transaction is the writer of exactly once.
type transaction struct{ *client.TxnProducer }

func (t transaction) init(ctx context.Context) error { return t.Init(ctx) }

func (t transaction) commit(ctx context.Context, g client.GroupMeta, offsets map[client.TopicPartition]client.Committed) error {
	if err := t.Flush(ctx); err != nil {
		return err
	}
	if err := t.CommitOffsets(ctx, g, offsets); err != nil {
		return err
	}
	err := t.End(ctx, true)
	if err != nil && !errors.Is(err, client.ErrAborted) {
		return unsettled{err}
	}
	return err
}

func (t transaction) abort(ctx context.Context) error {
	if err := t.End(ctx, false); err == nil {
		return nil
	}
	return t.Init(ctx) // settles whatever is open
}

// plainWriter is the writer of at least once: a crash repeats what was written
// since the last commit of offsets.
type plainWriter struct {
	*client.Producer
	client *client.Client
}

func (p plainWriter) init(context.Context) error { return nil }

func (p plainWriter) commit(ctx context.Context, g client.GroupMeta, offsets map[client.TopicPartition]client.Committed) error {
	if err := p.Flush(ctx); err != nil {
		return err
	}
	return p.client.CommitOffsets(ctx, g, offsets)
}

func (p plainWriter) abort(context.Context) error { return nil }

// recorder is what sinks and changelogs write through: it counts the epoch's
// bytes and wakes the coordinator when there are too many.
type recorder struct {
	ctx   context.Context
	w     writer
	bytes *atomic.Int64
	limit int64
	pulse pulse
}

// Partitions implements connectors.LogWriter.
func (r *recorder) Partitions(topic string) (int32, error) { return r.w.Partitions(r.ctx, topic) }

// Append implements connectors.LogWriter.
func (r *recorder) Append(topic string, partition int32, timestampMs int64, key, value []byte) error {
	const overhead = 16 // of a record beside its key and value
	if n := r.bytes.Add(int64(len(key) + len(value) + overhead)); n >= r.limit {
		r.pulse.beat()
	}
	if err := r.w.Append(topic, partition, timestampMs, key, value); err != nil {
		return fmt.Errorf("write to %s/%d: %w", topic, partition, err)
	}
	return nil
}

// unsettled is an error of a commit that may or may not have happened.
type unsettled struct{ error }

func (u unsettled) Unwrap() error { return u.error }
