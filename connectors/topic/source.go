package topic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connectors"
	"github.com/millrace/millrace/connectors/codec"
	"github.com/millrace/millrace/log/client"
	"github.com/millrace/millrace/operators/columnar"
)

// source reads one topic. Its readers share a fetcher, so that one request per
// broker serves all partitions.
type source struct {
	node    string
	topic   string
	start   start
	decoder func() (codec.Decoder, error)
	client  *client.Client
	fetcher *client.Fetcher
	// batchRows is the most rows of one Read.
	batchRows int
}

func newSource(env connectors.Env, node, topic string, start start, batchRows int, decoder func() (codec.Decoder, error)) *source {
	c := client.New(env.Cluster, client.Options{})
	return &source{
		node: node, topic: topic, start: start, decoder: decoder, client: c, batchRows: batchRows,
		fetcher: c.NewFetcher(client.FetcherOptions{Isolation: client.ReadCommitted}),
	}
}

// Splits implements connectors.Source: a split per partition, as many as the
// topic has now.
func (s *source) Splits(ctx context.Context) ([]connectors.Split, error) {
	t, err := s.client.DescribeTopic(ctx, s.topic)
	switch {
	case errors.Is(err, client.ErrUnknownTopic):
		return nil, fmt.Errorf("topic %s does not exist: create it with `millrace topic create %s`, or write to it first", s.topic, s.topic)
	case errors.Is(err, client.ErrRetriable):
		return nil, fmt.Errorf("%w: %w", connectors.ErrTransient, err)
	case err != nil:
		return nil, err
	}
	splits := make([]connectors.Split, len(t.Partitions))
	for p := range splits {
		splits[p] = connectors.Split{ID: client.TopicPartition{Topic: s.topic, Partition: int32(p)}.String(), Partition: int32(p), TopicID: t.ID}
	}
	return splits, nil
}

// Open implements connectors.Source.
func (s *source) Open(ctx context.Context, split connectors.Split, pos []byte) (connectors.Reader, error) {
	tp := client.TopicPartition{Topic: s.topic, Partition: split.Partition}
	offset, err := s.offset(ctx, tp, pos)
	if err != nil {
		return nil, err
	}
	d, err := s.decoder()
	if err != nil {
		return nil, err
	}
	r := &reader{cursor: s.fetcher.Open(tp, offset), decoder: d, next: offset, batchRows: s.batchRows}
	r.pos = columnar.Positions{Source: s.node, Split: split.ID, Partition: split.Partition}
	return r, nil
}

// offset reads a position, or finds where to start without one.
func (s *source) offset(ctx context.Context, tp client.TopicPartition, pos []byte) (int64, error) {
	if len(pos) == 8 {
		return int64(binary.BigEndian.Uint64(pos)), nil
	}
	if len(pos) != 0 {
		return 0, fmt.Errorf("position %x of %s is not an offset (8 bytes)", pos, tp)
	}
	at := client.Earliest
	switch {
	case s.start.latest:
		at = client.LastStable
	case !s.start.at.IsZero():
		at = client.AtTimestamp(s.start.at.UnixMilli())
	}
	found, err := s.client.ListOffsets(ctx, at, tp)
	if err != nil {
		return 0, fmt.Errorf("find where to start in %s: %w", tp, err)
	}
	return found[tp], nil
}

// Close implements connectors.Source. Readers are closed with it.
func (s *source) Close() error { return s.fetcher.Close() }
