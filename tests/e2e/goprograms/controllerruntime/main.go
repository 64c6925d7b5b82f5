// Command controllerruntime runs the Pod cache of controller-runtime, as operators use it, over all namespaces and
// prints the lines of command informer: REQUEST, SYNCED, ADDED, MODIFIED, DELETED, WATCH_ERROR, and STORE, which a line
// "store" on standard input asks for. It ends with standard input.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"fleetgate.io/tests/e2e/goprograms/clients"
)

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file")
	flag.Parse()
	if err := run(*kubeconfig); err != nil {
		fmt.Fprintln(os.Stderr, "controllerruntime:", err)
		os.Exit(1)
	}
}

func run(kubeconfig string) error {
	// What an operator sends: it finds the resource of a type by discovery, and asks for protobuf.
	config, err := clients.Config(kubeconfig, "protobuf", clients.PrintRequest)
	if err != nil {
		return err
	}
	pods, err := cache.New(config, cache.Options{
		DefaultWatchErrorHandler: func(ctx context.Context, reflector *toolscache.Reflector, err error) {
			clients.PrintWatchError(err)
			toolscache.DefaultWatchErrorHandler(ctx, reflector, err)
		},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- pods.Start(ctx) }()
	informer, err := pods.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(clients.EventPrinter); err != nil {
		return err
	}
	if !pods.WaitForCacheSync(ctx) {
		return errors.New("the cache was not synced")
	}
	listed, err := list(ctx, pods)
	if err != nil {
		return err
	}
	clients.PrintSynced(len(listed))
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		if commands.Text() != "store" {
			continue
		}
		if listed, err = list(ctx, pods); err != nil {
			return err
		}
		clients.PrintStore("", listed)
	}
	cancel()
	return <-ended
}

func list(ctx context.Context, pods cache.Cache) ([]any, error) {
	var held corev1.PodList
	if err := pods.List(ctx, &held); err != nil {
		return nil, err
	}
	objects := make([]any, 0, len(held.Items))
	for index := range held.Items {
		objects = append(objects, &held.Items[index])
	}
	return objects, nil
}
