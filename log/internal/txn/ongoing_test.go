package txn

import "testing"

func TestOngoing(t *testing.T) {
	o := newOngoing()
	w := Write{TransactionalID: "x", ProducerID: 1, ProducerEpoch: 3, Topic: "t", Partition: 0}
	expect := func(want bool, when string) {
		t.Helper()
		if got := o.has(&w); got != want {
			t.Errorf("%s: has is %t", when, got)
		}
	}
	expect(false, "before anything")
	o.began(0, Began{"x", 1, 3, []TopicPartition{{"t", 0}}})
	expect(true, "after the add")
	w.Partition = 1
	expect(false, "another partition")
	o.began(0, Began{"x", 1, 3, []TopicPartition{{"t", 1}}})
	expect(true, "the other one added")
	w.ProducerEpoch = 4
	expect(false, "another epoch")
	o.began(0, Began{"x", 1, 4, []TopicPartition{{"t", 0}}})
	expect(false, "a new transaction does not have the partitions of the last")
	w.Partition = 0
	expect(true, "in the new transaction")
	w.TransactionalID = "y"
	expect(false, "another transactional id")
	w.TransactionalID = "x"
	o.ended(Ended{"x", 1})
	expect(false, "after the end")
	o.began(5, Began{"x", 1, 4, []TopicPartition{{"t", 0}}})
	o.reset(4)
	expect(true, "after the reset of another core")
	o.reset(5)
	expect(false, "after the reset of its core")
}
