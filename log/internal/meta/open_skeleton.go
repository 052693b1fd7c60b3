package meta

import "context"

type loop struct{}

// Open opens or begins the metadata.
func Open(ctx context.Context, o Options) (*Meta, error) { panic("unfinished") }

// Close ends it.
func (m *Meta) Close() error { panic("unfinished") }
