package statestore

// Operator is the operator that a changelog record's key belongs to. A pipeline
// with several keyed operators has a task for each over the same partitions;
// the engine finds by it whose Restore a record is for.
func Operator(key []byte) (string, error) {
	k, err := parseKey(key)
	return string(k.operator), err
}
