package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/dsl"
	"github.com/millrace/millrace/engine"

	_ "github.com/millrace/millrace/connectors/topic"
	_ "github.com/millrace/millrace/operators/builtin"
)

// guarantee is what a pipeline promises.
type guarantee bool

const (
	exactlyOnce guarantee = false
	atLeastOnce guarantee = true
)

// millrace runs a pipeline, a format with places for its name, its input and its
// output, in this process until it has read and committed n events.
func (b *bed) millrace(ctx context.Context, yaml, input, output string, n int, g guarantee) error {
	p, closer, err := b.open(fmt.Sprintf(yaml, b.unique("bench"), input, output), g)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil && p.Stats().RowsIn < int64(n) {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	err = p.Run(ctx)
	cancel()
	<-watched
	if err = errors.Join(err, closer()); err != nil {
		return err
	}
	if got := p.Stats(); got.RowsIn != int64(n) || got.Errors > 0 || got.Late > 0 {
		return fmt.Errorf("the pipeline read %d rows, %d late and %d errors, want %d rows", got.RowsIn, got.Late, got.Errors, n)
	}
	return nil
}

// open opens a pipeline over the bed's node; closer also removes its state.
func (b *bed) open(yaml string, g guarantee) (p *engine.Pipeline, closer func() error, err error) {
	graph, err := dsl.Parse("bench.yaml", []byte(yaml), dsl.Catalog{})
	if err != nil {
		return nil, nil, err
	}
	state := filepath.Join(b.data, "state", graph.Name)
	p, err = engine.Open(engine.Options{Graph: graph, Cluster: b.session, StateDir: state, AtLeastOnce: bool(g)})
	if err != nil {
		return nil, nil, err
	}
	return p, func() error { return errors.Join(p.Close(), os.RemoveAll(state)) }, nil
}
