package acl

import "fmt"

// Operation is what somebody wants to do, numbered as in Kafka's protocol.
type Operation int8

// The operations. AnyOperation is for filters alone; AllOperations is for entries
// alone and stands for every other one.
const (
	UnknownOperation Operation = iota
	AnyOperation
	AllOperations
	Read
	Write
	Create
	Delete
	Alter
	Describe
	ClusterAction
	DescribeConfigs
	AlterConfigs
	IdempotentWrite
	CreateTokens
	DescribeTokens
	TwoPhaseCommit
)

var operationNames = []string{
	"UNKNOWN", "ANY", "ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "CLUSTER_ACTION",
	"DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "CREATE_TOKENS", "DESCRIBE_TOKENS", "TWO_PHASE_COMMIT",
}

// String is Kafka's name, such as DESCRIBE_CONFIGS.
func (o Operation) String() string { return nameOf(operationNames, int8(o), "operation") }

// ResourceType is what something is done to, numbered as in Kafka's protocol.
type ResourceType int8

// The kinds of resources. AnyResource is for filters alone.
const (
	UnknownResource ResourceType = iota
	AnyResource
	Topic
	Group
	Cluster
	TransactionalID
	DelegationToken
	User
)

var resourceNames = []string{"UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"}

// String is Kafka's name, such as TRANSACTIONAL_ID.
func (t ResourceType) String() string { return nameOf(resourceNames, int8(t), "resource") }

// ClusterName is the name of the only resource of type Cluster.
const ClusterName = "kafka-cluster"

// PatternType says how a resource's name is compared (KIP-290), numbered as in
// Kafka's protocol.
type PatternType int8

// The types of patterns. An entry is Literal (where the name * stands for every
// name) or Prefixed; AnyPattern and Match are for filters alone.
const (
	UnknownPattern PatternType = iota
	AnyPattern
	Match
	Literal
	Prefixed
)

var patternNames = []string{"UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"}

// String is Kafka's name, such as PREFIXED.
func (p PatternType) String() string { return nameOf(patternNames, int8(p), "pattern") }

// Permission is what an entry does, numbered as in Kafka's protocol.
type Permission int8

// The permissions. AnyPermission is for filters alone.
const (
	UnknownPermission Permission = iota
	AnyPermission
	Deny
	Allow
)

var permissionNames = []string{"UNKNOWN", "ANY", "DENY", "ALLOW"}

// String is Kafka's name, such as DENY.
func (p Permission) String() string { return nameOf(permissionNames, int8(p), "permission") }

func nameOf(names []string, n int8, kind string) string {
	if n < 0 || int(n) >= len(names) {
		return fmt.Sprintf("%s %d", kind, n)
	}
	return names[n]
}
