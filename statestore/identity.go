package statestore

import "errors"

// ErrIdentity is wrapped by Open when a directory holds somebody else's state.
var ErrIdentity = errors.New("state directory belongs to another pipeline")

// Identity names whose state a directory holds. All fields must be equal for a
// directory to be opened again.
type Identity struct {
	ClusterID        string
	Pipeline         string
	ChangelogTopicID [16]byte
	Partitions       int32 // state.partitions, fixed for the pipeline's life
}
