package columnar

// Gather makes k the keys of the given rows of src, in order, and reuses k's
// memory. The keys of an exchange are short, so they are copied as two words each;
// the slack behind Data makes room for that.
func (k *Keys) Gather(src *Keys, rows []int32) {
	k.Hash, k.Partition, k.Off = resize(k.Hash, len(rows)), resize(k.Partition, len(rows)), resize(k.Off, len(rows)+1)
	size := int32(0)
	for j, i := range rows {
		k.Hash[j], k.Partition[j], k.Off[j] = src.Hash[i], src.Partition[i], size
		size += src.Off[i+1] - src.Off[i]
	}
	k.Off[len(rows)] = size
	k.room(int(size))
	from, to := src.Data[:cap(src.Data)], k.Data[:cap(k.Data)]
	for j, i := range rows {
		key, at := src.Off[i], k.Off[j]
		n := src.Off[i+1] - key
		if n <= keySlack && int(key)+keySlack <= len(from) {
			*(*[keySlack]byte)(to[at:]) = *(*[keySlack]byte)(from[key:])
			continue
		}
		copy(to[at:], from[key:key+n])
	}
}
