package coord

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Own returns a copy of a request that nobody else refers to. A core keeps parts of
// what it was asked (the metadata of members) and may still look at a request when its
// caller has given up, while the bytes of a request are only lent.
//
// The copy is made by encoding, so it is also what a client over the network would
// have said: fields that the version does not have are not in it.
func Own(req kmsg.Request) (kmsg.Request, error) {
	own := kmsg.RequestForKey(req.Key())
	own.SetVersion(req.GetVersion())
	if err := own.ReadFrom(req.AppendTo(nil)); err != nil {
		return nil, fmt.Errorf("copy request of key %d version %d: %w", req.Key(), req.GetVersion(), err)
	}
	return own, nil
}
