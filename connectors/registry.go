package connectors

import (
	"fmt"
	"sort"
	"sync"
)

// Registry is a set of connectors by verb. The zero value is empty and ready.
type Registry struct {
	mu sync.RWMutex
	// sources and sinks are guarded by mu.
	sources map[string]*SourceSpec
	sinks   map[string]*SinkSpec
}

// Default is the registry that RegisterSource and RegisterSink fill.
var Default = &Registry{}

// RegisterSource adds a source to the default registry; it panics on a fault of
// the program: no name, no Plan, a name twice.
func RegisterSource(s *SourceSpec) {
	if err := Default.AddSource(s); err != nil {
		panic(err)
	}
}

// RegisterSink is RegisterSource for sinks.
func RegisterSink(s *SinkSpec) {
	if err := Default.AddSink(s); err != nil {
		panic(err)
	}
}

// AddSource adds a source.
func (r *Registry) AddSource(s *SourceSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sources == nil {
		r.sources = map[string]*SourceSpec{}
	}
	return add(r.sources, s.Name, s, s.Plan != nil)
}

// AddSink adds a sink.
func (r *Registry) AddSink(s *SinkSpec) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sinks == nil {
		r.sinks = map[string]*SinkSpec{}
	}
	return add(r.sinks, s.Name, s, s.Plan != nil)
}

func add[T any](to map[string]*T, name string, s *T, planned bool) error {
	if name == "" || !planned {
		return fmt.Errorf("connectors: a spec needs a Name and a Plan (name %q)", name)
	}
	if _, taken := to[name]; taken {
		return fmt.Errorf("connectors: %q is registered twice", name)
	}
	to[name] = s
	return nil
}

// Source finds a source verb.
func (r *Registry) Source(name string) (*SourceSpec, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.sources[name]
	return s, ok
}

// Sink finds a sink verb.
func (r *Registry) Sink(name string) (*SinkSpec, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.sinks[name]
	return s, ok
}

// Sources is all sources by name.
func (r *Registry) Sources() []*SourceSpec {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*SourceSpec, 0, len(r.sources))
	for _, s := range r.sources {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// Sinks is all sinks by name.
func (r *Registry) Sinks() []*SinkSpec {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*SinkSpec, 0, len(r.sinks))
	for _, s := range r.sinks {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
