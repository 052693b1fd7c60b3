package vfs

import "fmt"

// Op names a call of FS or File for the hook of Mem.Inject.
type Op uint8

// The calls.
const (
	OpCreate Op = iota + 1
	OpOpen
	OpOpenAppend
	OpLink
	OpRemove
	OpRemoveAll
	OpRename
	OpMkdirAll
	OpList
	OpStat
	OpSyncDir
	OpLock
	OpFree
	OpReadAt
	OpClose
	OpWrite
	OpTruncate
	OpSyncData
	OpSize
	OpOpenWrite
	OpWriteAt
)

var opNames = [...]string{
	OpCreate: "create", OpOpen: "open", OpOpenAppend: "open-append", OpLink: "link", OpRemove: "remove",
	OpRemoveAll: "remove-all", OpRename: "rename", OpMkdirAll: "mkdir-all", OpList: "list", OpStat: "stat",
	OpSyncDir: "sync-dir", OpLock: "lock", OpFree: "free", OpReadAt: "read-at", OpClose: "close",
	OpWrite: "write", OpTruncate: "truncate", OpSyncData: "sync-data", OpSize: "size",
	OpOpenWrite: "open-write", OpWriteAt: "write-at",
}

// String is the call's name as it appears in test scripts.
func (o Op) String() string {
	if int(o) < len(opNames) && opNames[o] != "" {
		return opNames[o]
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Changes reports whether the call may change what a crash leaves behind.
func (o Op) Changes() bool {
	switch o {
	case OpOpen, OpOpenAppend, OpOpenWrite, OpList, OpStat, OpLock, OpFree, OpReadAt, OpClose, OpSize:
		return false
	}
	return true
}

// PartialWrite is returned by a hook for OpWrite or OpWriteAt to have the first N bytes
// written before the call fails with Err.
type PartialWrite struct {
	N   int
	Err error
}

func (p *PartialWrite) Error() string { return fmt.Sprintf("after %d bytes: %v", p.N, p.Err) }

// Unwrap is the cause.
func (p *PartialWrite) Unwrap() error { return p.Err }
