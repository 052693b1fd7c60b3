package acl

import (
	"fmt"
	"strings"
)

// Filter selects entries, as in DescribeAcls and DeleteAcls. A nil string and an Any
// value leave their field open.
type Filter struct {
	Resource ResourceType
	// Name is compared as Pattern says.
	Name *string
	// Pattern is Literal or Prefixed for entries of that type and exactly that name;
	// AnyPattern for entries of either type and exactly that name; Match for entries
	// that are about the resource of that name: literal, prefixed and wildcard ones.
	Pattern    PatternType
	Principal  *string
	Host       *string
	Operation  Operation
	Permission Permission
}

// Check says what keeps f from being a filter, in words for the client; nil if nothing
// does.
func (f *Filter) Check() error {
	switch {
	case f.Resource < AnyResource || f.Resource > User:
		return fmt.Errorf("invalid resource type %s in a filter", f.Resource)
	case f.Pattern < AnyPattern || f.Pattern > Prefixed:
		return fmt.Errorf("invalid pattern type %s in a filter", f.Pattern)
	case f.Operation < AnyOperation || f.Operation > TwoPhaseCommit:
		return fmt.Errorf("invalid operation %s in a filter", f.Operation)
	case f.Permission < AnyPermission || f.Permission > Allow:
		return fmt.Errorf("invalid permission %s in a filter", f.Permission)
	}
	return nil
}

// Matches tells whether f selects e. Both have passed their Check.
func (f *Filter) Matches(e Entry) bool {
	return (f.Resource == AnyResource || f.Resource == e.Resource) &&
		(f.Operation == AnyOperation || f.Operation == e.Operation) &&
		(f.Permission == AnyPermission || f.Permission == e.Permission) &&
		(f.Principal == nil || *f.Principal == e.Principal) &&
		(f.Host == nil || *f.Host == e.Host) &&
		f.matchesPattern(e)
}

func (f *Filter) matchesPattern(e Entry) bool {
	switch {
	case (f.Pattern == Literal || f.Pattern == Prefixed) && f.Pattern != e.Pattern:
		return false
	case f.Name == nil:
		return true
	case f.Pattern != Match:
		return *f.Name == e.Name
	case e.Pattern == Prefixed:
		return strings.HasPrefix(*f.Name, e.Name)
	}
	return *f.Name == e.Name || e.Name == AnyName
}
