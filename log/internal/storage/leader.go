package storage

// SetLeaderEpoch begins a leader epoch at the log's end, durably. An epoch that is
// not above the latest changes nothing.
func (l *Log) SetLeaderEpoch(epoch int32) error {
	l.writing.lock()
	err := l.beginEpoch(epoch)
	l.writing.unlock()
	return l.settle("set leader epoch of", err)
}

// beginEpoch writes an epoch that begins at the end before anything is written in
// it. Needs writing.
func (l *Log) beginEpoch(epoch int32) error {
	l.mu.Lock()
	err := l.usable()
	was, end := l.epochs, l.end
	l.mu.Unlock()
	if err != nil || epoch <= was.latest() {
		return err
	}
	return l.storeEpochs(was.begin(epoch, end))
}

// storeEpochs writes and then shows epochs. Needs writing, or keeping where the
// end cannot change.
func (l *Log) storeEpochs(c epochCache) error {
	if err := writeFrame(l.disk.o.FS, l.dir+"/"+epochsFile, kindEpochs, c.encode()); err != nil {
		return onDisk("write leader epochs", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epochs = c
	return nil
}

// LeaderEpoch is the latest epoch in the log, -1 if there is none.
func (l *Log) LeaderEpoch() int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.latest()
}

// EpochAt is the leader epoch of the record at offset, -1 if it is not known.
func (l *Log) EpochAt(offset int64) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.at(offset)
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch in the log that is not
// above the one asked for, and where it ends. Both are -1 if the log has no such.
func (l *Log) EpochEnd(epoch int32) (found int32, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.end(epoch, l.end)
}

// cutEpochs forgets an epoch that begins at the end: nothing of it is left, and a
// leader may send records of an older one.
func (l *Log) cutEpochs() error {
	l.mu.Lock()
	was := l.epochs
	cut := was.cutEnd(l.end)
	l.mu.Unlock()
	if len(cut) == len(was) {
		return nil
	}
	return l.storeEpochs(cut)
}
