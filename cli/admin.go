package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	millog "github.com/millrace/millrace/log"
)

// defaultAdminListen is where a server shows how it is.
const defaultAdminListen = "127.0.0.1:9644"

// adminFlags say where the node is watched.
type adminFlags struct {
	listen   string
	insecure bool
	given    func() bool // whether the address was chosen
}

// flags adds the flags, with a default for the address. A default that is taken does
// not keep a node from starting: two on one machine are no fault of anybody.
func (f *adminFlags) flags(c *cobra.Command, listen string) {
	f.given = func() bool { return c.Flags().Changed("admin-listen") }
	c.Flags().StringVar(&f.listen, "admin-listen", listen, "address for /metrics, /livez and /readyz, or none")
	c.Flags().BoolVar(&f.insecure, "admin-insecure", false, "allow --admin-listen beyond loopback: everybody who reaches it can read it")
}

// admin is the HTTP server for those who watch a node: /metrics for Prometheus, and
// /livez and /readyz for whatever starts and stops it. It shows and changes nothing.
//
// It has neither encryption nor authentication, and what it shows (names of topics,
// groups and listeners) is not everybody's. So it listens on loopback unless told
// otherwise, and there answers only requests that were addressed to this machine: a
// page in a browser that has its own name resolve to 127.0.0.1 gets nothing.
type admin struct {
	listener net.Listener
	server   *http.Server
	node     atomic.Pointer[millog.Node]
	done     chan struct{}
}

// open binds the address and answers from then on; until show the node counts as
// starting. It is nil without an address.
func (f *adminFlags) open(logger *slog.Logger) (*admin, error) {
	if f.listen == "none" {
		return nil, nil
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", f.listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && !f.given():
		logger.Warn("metrics and health are not served: the address is in use; choose another with --admin-listen HOST:PORT", "address", f.listen)
		return nil, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use: choose another address with --admin-listen HOST:PORT, or --admin-listen none", f.listen)
	case err != nil:
		return nil, fmt.Errorf("--admin-listen: %w", err)
	}
	a := &admin{listener: l, done: make(chan struct{})}
	a.server = &http.Server{
		Handler: a.handler(), ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	go func() {
		defer close(a.done)
		if err := a.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("metrics and health are not served any more", "address", l.Addr().String(), "error", err)
		}
	}()
	return a, nil
}

// check refuses what other machines could connect to.
func (f *adminFlags) check() error {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return usagef("--admin-listen %q is not HOST:PORT, nor none", f.listen)
	}
	if !f.insecure && !isLocal(host) {
		return usagef("--admin-listen %s: other machines can reach this address, and there is neither encryption nor authentication: "+
			"use 127.0.0.1, or say that it is meant (--admin-insecure)", f.listen)
	}
	return nil
}

// isLocal tells whether a host is loopback's, by name or address.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// addr is where the server listens.
func (a *admin) addr() string { return a.listener.Addr().String() }

// show makes n what is shown.
func (a *admin) show(n *millog.Node) {
	if a != nil {
		a.node.Store(n)
	}
}

// close ends the server; requests under way have a second. It may be called on nil.
func (a *admin) close() {
	if a == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		_ = a.server.Close()
	}
	<-a.done
}

func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.Handle("GET /metrics", a.metrics())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "/livez\n/readyz\n/metrics") })
	if ip, err := netip.ParseAddrPort(a.addr()); err == nil && ip.Addr().IsLoopback() {
		return addressedHere(mux)
	}
	return mux
}

// addressedHere refuses requests for a name that is not this machine's.
func addressedHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLocal(host) {
			http.Error(w, "this address answers requests to localhost alone", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readyz says why the node is not ready, a reason in each line.
func (a *admin) readyz(w http.ResponseWriter, _ *http.Request) {
	err := errors.New("the node is starting")
	if n := a.node.Load(); n != nil {
		err = n.Ready()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// maxScrapes bounds the scrapes that run at a time.
const maxScrapes = 3

// metrics shows the process from the start, and the node once it is there.
func (a *admin) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newBuildInfo(), &nodeMetrics{a})
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, ErrorHandling: promhttp.ContinueOnError})
}

// newBuildInfo is 1, with what the program is as labels.
func newBuildInfo() prometheus.Collector {
	v := buildVersion()
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "millrace_build_info", Help: "1; the labels say which program this is.",
		ConstLabels: prometheus.Labels{"version": v.Version, "revision": v.Revision, "go": v.Go},
	})
	g.Set(1)
	return g
}

// nodeMetrics are those of a node that may not be there yet.
type nodeMetrics struct{ a *admin }

// Describe implements prometheus.Collector: what is not known yet is not checked.
func (nodeMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m *nodeMetrics) Collect(ch chan<- prometheus.Metric) {
	if n := m.a.node.Load(); n != nil {
		n.Metrics().Collect(ch)
	}
}
