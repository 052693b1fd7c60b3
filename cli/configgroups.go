package cli

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/log/client"
)

// describeGroupConfigs asks for the configs of a group, which kadm has no words for. There
// need not be such a group.
func describeGroupConfigs(ctx context.Context, conn *client.Connection, group string) (kadm.ResourceConfigs, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = true
	rr := kmsg.NewDescribeConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	req.Resources = append(req.Resources, rr)
	answer, err := conn.Cluster().Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.DescribeConfigsResponse)
	if len(resp.Resources) != 1 {
		return nil, fmt.Errorf("the broker describes %d resources, one was asked for", len(resp.Resources))
	}
	r := resp.Resources[0]
	all := kadm.ResourceConfig{Name: group, Err: kerr.ErrorForCode(r.ErrorCode), ErrMessage: deref(r.ErrorMessage)}
	for _, rc := range r.Configs {
		c := kadm.Config{Key: rc.Name, Value: rc.Value, Source: rc.Source}
		for _, s := range rc.ConfigSynonyms {
			c.Synonyms = append(c.Synonyms, kadm.ConfigSynonym{Key: s.Name, Value: s.Value, Source: s.Source})
		}
		all.Configs = append(all.Configs, c)
	}
	return kadm.ResourceConfigs{all}, nil
}

// alterGroupConfigs changes the configs of a group.
func alterGroupConfigs(ctx context.Context, conn *client.Connection, group string, changes []kadm.AlterConfig, dryRun bool) (kadm.AlterConfigsResponses, error) {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.ValidateOnly = dryRun
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	for _, ch := range changes {
		rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		rc.Name, rc.Op, rc.Value = ch.Name, kmsg.IncrementalAlterConfigOp(ch.Op), ch.Value
		rr.Configs = append(rr.Configs, rc)
	}
	req.Resources = append(req.Resources, rr)
	answer, err := conn.Cluster().Request(ctx, req)
	if err != nil {
		return nil, err
	}
	var responses kadm.AlterConfigsResponses
	for _, r := range answer.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		responses = append(responses, kadm.AlterConfigsResponse{Name: r.ResourceName, Err: kerr.ErrorForCode(r.ErrorCode), ErrMessage: deref(r.ErrorMessage)})
	}
	return responses, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
