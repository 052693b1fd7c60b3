package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster (key 60): the brokers without topics (KIP-700).
func init() {
	register(spec{
		key:    60,
		levels: []levelRange{{level: 1, min: 0, max: 2}},
		changes: []change{
			{0, "brokers, controller, cluster id; flexible"},
			{1, "brokers or controllers"},
			{2, "fenced brokers"},
		},
		deviations: []string{"Controllers are not listed apart: every node is both, and the endpoint type for controllers is refused."},
	}, describeCluster)
}

// Kinds of endpoints.
const (
	endpointBrokers     = 1
	endpointControllers = 2
)

func describeCluster(_ context.Context, c *call, req *kmsg.DescribeClusterRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	im := c.image()
	resp.ClusterID = im.ClusterID().String()
	resp.ControllerID = c.controller()
	resp.EndpointType = endpointBrokers
	resp.ClusterAuthorizedOperations = noOperations
	resp.Brokers = []kmsg.DescribeClusterResponseBroker{}
	if req.Version >= 1 && req.EndpointType != endpointBrokers {
		resp.ErrorCode, resp.ErrorMessage = kerr.UnsupportedEndpointType.Code, new("there is no such endpoint type")
		if req.EndpointType == endpointControllers {
			resp.ErrorCode, resp.ErrorMessage = kerr.MismatchedEndpointType.Code, new("this is a broker; controllers have no listeners of their own")
		}
		return resp, nil
	}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = c.clusterOperations()
	}
	for _, b := range c.metadataBrokers(im) {
		db := kmsg.NewDescribeClusterResponseBroker()
		db.NodeID, db.Host, db.Port, db.Rack = b.NodeID, b.Host, b.Port, b.Rack
		resp.Brokers = append(resp.Brokers, db)
	}
	return resp, nil
}
