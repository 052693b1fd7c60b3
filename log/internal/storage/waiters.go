package storage

// waiter waits for an offset to be reached.
type waiter struct {
	offset int64
	done   chan error // of capacity 1
}

// waitList is who waits for one of a log's offsets to rise.
type waitList []waiter

func (w *waitList) add(offset int64) chan error {
	done := make(chan error, 1)
	*w = append(*w, waiter{offset, done})
	return done
}

// reached wakes who waits for an offset up to that.
func (w *waitList) reached(offset int64) {
	w.wake(nil, func(want int64) bool { return want <= offset })
}

// wake sends err to those whose offset matches and forgets them.
func (w *waitList) wake(err error, match func(offset int64) bool) {
	rest := (*w)[:0]
	for _, one := range *w {
		if match(one.offset) {
			one.done <- err
		} else {
			rest = append(rest, one)
		}
	}
	clear((*w)[len(rest):])
	*w = rest
}

// remove forgets one who waits no longer.
func (w *waitList) remove(done chan error) {
	for i, one := range *w {
		if one.done == done {
			*w = append((*w)[:i], (*w)[i+1:]...)
			return
		}
	}
}
