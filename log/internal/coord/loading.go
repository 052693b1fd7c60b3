package coord

// Loading is how many of the partitions that this node leads are still being replayed,
// and how many it leads.
func (h *Host) Loading() (loading, led int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.led {
		if handle, _ := l.current(); handle == nil {
			loading++
		}
	}
	return loading, len(h.led)
}
