package acl

// Rights are operations as bits: that of an operation is 1<<operation, which is also
// how Kafka's responses show authorized operations.
type Rights uint32

// Has tells whether op is among the rights.
func (r Rights) Has(op Operation) bool { return r&bit(op) != 0 }

func bit(op Operation) Rights { return 1 << op }

// everything are all operations that can be asked for.
const everything = Rights(1<<(TwoPhaseCommit+1)) - 1<<Read

// granted is what an entry that allows op allows: reading, writing, deleting and
// altering imply describing, altering configs implies describing them.
func granted(op Operation) Rights {
	switch op {
	case AllOperations:
		return everything
	case Read, Write, Delete, Alter:
		return bit(op) | bit(Describe)
	case AlterConfigs:
		return bit(op) | bit(DescribeConfigs)
	}
	return bit(op)
}

// refused is what an entry that denies op denies: nothing is implied.
func refused(op Operation) Rights {
	if op == AllOperations {
		return everything
	}
	return bit(op)
}

// Meaningful are the operations that make sense for a type of resource: what clients
// are shown as authorized operations is a part of these.
func Meaningful(kind ResourceType) Rights {
	switch kind {
	case Topic:
		return bit(Read) | bit(Write) | bit(Create) | bit(Delete) | bit(Alter) | bit(Describe) | bit(DescribeConfigs) | bit(AlterConfigs)
	case Group:
		return bit(Read) | bit(Describe) | bit(Delete) | bit(DescribeConfigs) | bit(AlterConfigs)
	case Cluster:
		return bit(Create) | bit(Alter) | bit(Describe) | bit(ClusterAction) | bit(DescribeConfigs) | bit(AlterConfigs) | bit(IdempotentWrite)
	case TransactionalID:
		return bit(Describe) | bit(Write)
	case DelegationToken:
		return bit(Describe)
	case User:
		return bit(CreateTokens) | bit(DescribeTokens)
	}
	return 0
}
