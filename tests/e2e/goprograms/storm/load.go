package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	getPeriod    = 20 * time.Millisecond
	healthPeriod = time.Second
	// The timeout of a liveness probe that says none.
	healthTimeout = time.Second
)

// storm is what works on the server besides the informers, from begin to end.
type storm struct {
	server                *endpoint
	lists, stalled        int
	probes                bool
	pod, namespace, label string

	cancel context.CancelFunc
	tasks  sync.WaitGroup
	// What was measured, by what was done, and how often which error came.
	times  map[string]*histogram
	fails  tally
	asleep []*tls.Conn
}

func (s *storm) begin(parent context.Context) {
	ctx, cancel := context.WithCancel(parent)
	s.cancel = cancel
	s.times = map[string]*histogram{"get": {}, "health": {}, "lists": {}}
	questions := s.questions()
	for _, question := range questions {
		s.times["list "+question.kind] = &histogram{}
	}
	for number := range s.lists {
		s.tasks.Go(func() { s.listAll(ctx, number) })
	}
	if s.probes {
		s.tasks.Go(func() { s.getAll(ctx) })
		s.tasks.Go(func() { s.askHealth(ctx) })
	}
	for range s.stalled {
		if connection, err := s.watchAsleep(); err != nil {
			s.fails.add("stalled: " + err.Error())
		} else {
			s.asleep = append(s.asleep, connection)
		}
	}
}

// end stops it. What was asked for before is waited for: the slowest answers must not be missing.
func (s *storm) end() map[string]any {
	s.cancel()
	s.tasks.Wait()
	times := map[string]percentiles{}
	for name, each := range s.times {
		times[name] = each.take()
	}
	for _, connection := range s.asleep {
		_ = connection.Close()
	}
	s.asleep = nil
	return map[string]any{"times": times, "failures": s.fails.take()}
}

func (s *storm) listAll(ctx context.Context, number int) {
	client, err := s.server.client()
	if err != nil {
		s.fails.add("list: " + err.Error())
		return
	}
	questions := s.questions()
	for ; ctx.Err() == nil; number++ {
		question := questions[number%len(questions)]
		started := time.Now()
		_, err := question.read(context.WithoutCancel(ctx), client, s.server.url, discard)
		if err != nil {
			s.fails.add("list " + question.kind + ": " + err.Error())
			continue
		}
		s.times["lists"].add(time.Since(started))
		s.times["list "+question.kind].add(time.Since(started))
	}
}

func (s *storm) getAll(ctx context.Context) {
	client, err := s.server.client()
	if err != nil {
		s.fails.add("get: " + err.Error())
		return
	}
	for ctx.Err() == nil {
		s.ask(client, s.pod, "get")
		time.Sleep(getPeriod)
	}
}

// askHealth asks as a kubelet does: over a new connection each time.
func (s *storm) askHealth(ctx context.Context) {
	for ctx.Err() == nil {
		client, err := s.server.client()
		if err != nil {
			s.fails.add("health: " + err.Error())
			return
		}
		s.ask(client, "/livez", "health")
		client.CloseIdleConnections()
		select {
		case <-ctx.Done():
		case <-time.After(healthPeriod):
		}
	}
}

func (s *storm) ask(client *http.Client, path, name string) {
	started := time.Now()
	response, err := client.Get(s.server.url + path)
	if err != nil {
		s.fails.add(name + ": " + err.Error())
		return
	}
	if discard(response.Body) != nil || response.StatusCode != http.StatusOK {
		s.fails.add(fmt.Sprintf("%s: %d", name, response.StatusCode))
	}
	response.Body.Close()
	taken := time.Since(started)
	s.times[name].add(taken)
	if taken > healthTimeout {
		s.fails.add(name + ": later than a second")
	}
}

// watchAsleep asks for a watch and never reads its answer.
func (s *storm) watchAsleep() (*tls.Conn, error) {
	address, err := url.Parse(s.server.url)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(s.server.certificateData, s.server.keyData)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.server.caData)
	connection, err := tls.Dial("tcp", address.Host, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(connection, "GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", address.Host)
	return connection, err
}
