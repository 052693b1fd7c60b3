package operators

import (
	"fmt"
	"sort"
	"sync"
)

// Registry is a set of operators by verb. The zero value is empty and ready;
// tests make their own so that they do not see each other.
type Registry struct {
	mu sync.RWMutex
	// by is guarded by mu.
	by map[string]*Spec
}

// Default is the registry that Register fills and the command line uses.
var Default = &Registry{}

// Register adds an operator to the default registry. It is meant for init
// functions and panics on a name that is empty, taken, or without a Plan.
func Register(s *Spec) {
	if err := Default.Add(s); err != nil {
		panic(err)
	}
}

// Add adds an operator.
func (r *Registry) Add(s *Spec) error {
	if s.Name == "" || s.Plan == nil {
		return fmt.Errorf("operators: a spec needs a Name and a Plan (name %q)", s.Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]*Spec{}
	}
	if _, taken := r.by[s.Name]; taken {
		return fmt.Errorf("operators: %q is registered twice", s.Name)
	}
	r.by[s.Name] = s
	return nil
}

// Lookup finds a verb.
func (r *Registry) Lookup(name string) (*Spec, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.by[name]
	return s, ok
}

// List is all specs, by name.
func (r *Registry) List() []*Spec {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*Spec, 0, len(r.by))
	for _, s := range r.by {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}
