// Command typedclient does what a program with a typed client-go client does, and prints each step's result as a line
// of JSON: {"step": …, "result": …}. The first step that fails ends it with exit code 1 and the error on standard error.
//
// Usage: typedclient [flags] lifecycle|reviews|pods …  (default: all of them, in this order)
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"

	"fleetgate.io/tests/e2e/goprograms/clients"
)

// session is one run of the program against one endpoint.
type session struct {
	kubernetes.Interface
	namespace string
	pageSize  int64
}

// scenarios in the order in which they run by default.
var scenarios = []struct {
	name string
	run  func(*session, context.Context) error
}{
	{"lifecycle", (*session).lifecycle},
	{"reviews", (*session).reviews},
	{"pods", (*session).pods},
}

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file")
	contentType := flag.String("content-type", "protobuf", "json or protobuf")
	namespace := flag.String("namespace", "typedclient", "namespace that lifecycle creates and deletes, and reviews ask about")
	pageSize := flag.Int64("page-size", 500, "limit of each page when Pods are listed")
	timeout := flag.Duration("timeout", 2*time.Minute, "limit of the whole run")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	clientset, err := clients.New(*kubeconfig, *contentType, nil)
	if err == nil {
		err = run(ctx, &session{clientset, *namespace, *pageSize}, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "typedclient:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s *session, wanted []string) error {
	ran := 0
	for _, scenario := range scenarios {
		if len(wanted) > 0 && !slices.Contains(wanted, scenario.name) {
			continue
		}
		ran++
		if err := scenario.run(s, ctx); err != nil {
			return fmt.Errorf("%s: %w", scenario.name, err)
		}
	}
	if ran == 0 || ran < len(wanted) {
		return fmt.Errorf("unknown scenario in %q", wanted)
	}
	return nil
}

// step runs one call and prints its result.
func step[T any](name string, call func() (T, error)) (T, error) {
	result, err := call()
	if err != nil {
		return result, fmt.Errorf("%s: %w", name, err)
	}
	clients.Print(map[string]any{"step": name, "result": result})
	return result, nil
}

// deleted makes a call without a result fit for step.
func deleted(name string, call func() error) error {
	_, err := step(name, func() (string, error) { return "deleted", call() })
	return err
}
