package meta

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// What PebbleLog keeps under its keys, before it is sealed. See docs/metadata-log.md.

func entryKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyEntry}, index)
}

func encodeHardState(s *raftpb.HardState) []byte {
	var e encoder
	e.uvarint(s.GetTerm())
	e.uvarint(s.GetVote())
	e.uvarint(s.GetCommit())
	return e.b
}

func decodeHardState(b []byte) (*raftpb.HardState, error) {
	d := decoder{b: b}
	term, vote, commit := d.uvarint(), d.uvarint(), d.uvarint()
	return &raftpb.HardState{Term: &term, Vote: &vote, Commit: &commit}, d.err
}

func decodeSaves(b []byte) (uint64, error) {
	d := decoder{b: b}
	saves := d.uvarint()
	return saves, d.err
}

func encodeSnapshot(s *raftpb.Snapshot) []byte {
	var e encoder
	meta := s.GetMetadata()
	e.uvarint(meta.GetIndex())
	e.uvarint(meta.GetTerm())
	encodeList(&e, meta.GetConfState().GetVoters(), e.uvarint)
	return append(e.b, s.GetData()...)
}

func decodeSnapshot(b []byte) (*raftpb.Snapshot, error) {
	d := decoder{b: b}
	index, term := d.uvarint(), d.uvarint()
	voters := decodeList(&d, 1, d.uvarint)
	return &raftpb.Snapshot{Data: d.b, Metadata: &raftpb.SnapshotMetadata{Index: &index, Term: &term,
		ConfState: &raftpb.ConfState{Voters: voters}}}, d.err
}

func encodeLogEntry(e *raftpb.Entry) []byte {
	var b encoder
	b.uvarint(e.GetTerm())
	b.uvarint(uint64(e.GetType()))
	return append(b.b, e.GetData()...)
}

func decodeLogEntry(index uint64, b []byte) (*raftpb.Entry, error) {
	d := decoder{b: b}
	term, kind := d.uvarint(), d.uvarint()
	if d.err != nil || kind > 1<<8 {
		return nil, fmt.Errorf("%w: entry %d", ErrCorrupt, index)
	}
	entry := &raftpb.Entry{Term: &term, Index: &index, Type: raftpb.EntryType(kind).Enum()}
	if len(d.b) > 0 {
		entry.Data = append([]byte(nil), d.b...)
	}
	return entry, nil
}
