package storage

import (
	"fmt"
	"time"
)

// finish syncs what was kept, settles the truth with it and shows the log.
func (r *recovery) finish() error {
	l := r.l
	if l.end < l.start { // a Reset was interrupted, or the policy lost what was below the start
		if err := l.forgetCheckpoint(); err != nil {
			return err
		}
		for _, s := range l.segments {
			if err := r.moveSegment(s); err != nil {
				return err
			}
		}
		if err := r.create(l.start); err != nil {
			return err
		}
		l.segments = []*segment{newSegment(l.dir, l.start)}
		l.end, l.producers, l.txns = l.start, newProducerTable(), txnTable{}
	}
	if err := r.sync(); err != nil {
		return err
	}
	l.durable, l.synced, l.announced, l.opened = l.end, l.end, l.end, l.end
	l.segments[len(l.segments)-1].fresh = l.segments[len(l.segments)-1].size
	if err := r.settleEpochs(); isFull(err) {
		return nil // without a checkpoint they are settled at the next start
	} else if err != nil {
		return err
	}
	isNew := len(l.segments) == 1 && l.segments[0].size == 0
	var err error
	if r.report.Scanned == 0 && r.report.CutBytes == 0 && r.report.Replayed == 0 && (r.cp != nil || isNew) {
		l.checkpointEnd, l.checkpointAt = l.end, time.Now()
		err = l.finishSegments()
	} else {
		err = l.save()
	}
	if isFull(err) {
		return nil // a full disk must not keep a log from opening
	} else if err != nil {
		return err
	}
	// What a raised log start has given up goes only now: producers were read from it.
	return l.dropBelowStart()
}

// sync makes durable what was read. Files that the checkpoint covers are.
func (r *recovery) sync() error {
	if r.l.disk.clean && r.report.Scanned == 0 && r.report.CutBytes == 0 && r.report.Replayed == 0 {
		return nil
	}
	for _, s := range r.l.segments {
		if r.cp != nil && s.end <= r.cp.end || s.size == 0 {
			continue
		}
		f, err := r.fsys.OpenAppend(s.path + logSuffix)
		if err != nil {
			return onDisk("open segment", err)
		}
		err = f.SyncData()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return &diskError{fmt.Errorf("sync segment: %v", err)}
		}
	}
	if err := r.fsys.SyncDir(r.l.dir); err != nil {
		return &diskError{fmt.Errorf("sync directory: %v", err)}
	}
	return nil
}

// settleEpochs removes epochs of what was cut or deleted.
func (r *recovery) settleEpochs() error {
	l := r.l
	c := l.epochs.cutEnd(l.end + 1).cutStart(l.start)
	payload, err := readFrame(r.fsys, l.dir+"/"+epochsFile, kindEpochs)
	if err != nil {
		return err
	}
	l.epochs = c
	if string(payload) == string(c.encode()) || payload == nil && len(c) == 0 {
		return nil
	}
	return l.storeEpochs(c)
}
