// Command informer runs one shared informer of client-go over all namespaces and prints what it sees as JSON lines:
// REQUEST (each request sent), SYNCED, ADDED, MODIFIED, DELETED, WATCH_ERROR, and STORE with the whole sorted store.
// The store is printed when a line "store" arrives on standard input, and at the end; the end is the end of standard
// input or of -duration. With WatchList the consistency detector of client-go is on: the program panics when the
// streamed list differs from a LIST at the same resourceVersion.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/consistencydetector"

	"fleetgate.io/tests/e2e/goprograms/clients"
)

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file")
	resource := flag.String("resource", "pods", clients.Resources)
	watchList := flag.Bool("watchlist", true, "fetch the first state by WatchList, with client-go's consistency detector")
	contentType := flag.String("content-type", "protobuf", "json or protobuf")
	duration := flag.Duration("duration", 0, "end after this time; 0: at the end of standard input")
	flag.Parse()
	if err := run(*kubeconfig, *resource, *watchList, *contentType, *duration); err != nil {
		fmt.Fprintln(os.Stderr, "informer:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, resource string, watchList bool, contentType string, duration time.Duration) error {
	// client-go reads its feature gates from the environment at their first use.
	if err := os.Setenv("KUBE_FEATURE_WatchListClient", strconv.FormatBool(watchList)); err != nil {
		return err
	}
	consistencydetector.SetDataConsistencyDetectionForWatchListEnabledForTest(watchList)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	informer, err := informerOf(kubeconfig, resource, contentType)
	if err != nil {
		return err
	}
	if err := observe(informer); err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			clients.PrintSynced(len(informer.GetStore().ListKeys()))
		}
	}()
	go func() {
		for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
			if commands.Text() == "store" {
				printStore(informer)
			}
		}
		// With a duration, standard input may well be closed from the start.
		if duration == 0 {
			cancel()
		}
	}()
	<-ctx.Done()
	printStore(informer)
	return nil
}

func informerOf(kubeconfig, resource, contentType string) (cache.SharedIndexInformer, error) {
	config, err := clients.Config(kubeconfig, contentType, clients.PrintRequest)
	if err != nil {
		return nil, err
	}
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(clientset, 0)
	switch resource {
	case "pods":
		return factory.Core().V1().Pods().Informer(), nil
	case "events":
		return factory.Core().V1().Events().Informer(), nil
	case "events.events.k8s.io":
		return factory.Events().V1().Events().Informer(), nil
	case "configmaps":
		return factory.Core().V1().ConfigMaps().Informer(), nil
	case "replicasets.apps":
		return factory.Apps().V1().ReplicaSets().Informer(), nil
	}
	full, _ := schema.ParseResourceArg(resource)
	if full == nil {
		return nil, fmt.Errorf("resource must be %s, not %q", clients.Resources, resource)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return dynamicinformer.NewDynamicSharedInformerFactory(client, 0).ForResource(*full).Informer(), nil
}

func observe(informer cache.SharedIndexInformer) error {
	if err := informer.SetWatchErrorHandlerWithContext(
		func(ctx context.Context, reflector *cache.Reflector, err error) {
			clients.PrintWatchError(err)
			cache.DefaultWatchErrorHandler(ctx, reflector, err)
		}); err != nil {
		return err
	}
	_, err := informer.AddEventHandler(clients.EventPrinter)
	return err
}

func printStore(informer cache.SharedIndexInformer) {
	store := informer.GetStore()
	// The version first: what is printed is at least as new.
	clients.PrintStore(store.LastStoreSyncResourceVersion(), store.List())
}
