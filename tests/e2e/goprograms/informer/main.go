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
	"net/http"
	"os"
	"sort"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/consistencydetector"

	"fleetgate.io/tests/e2e/goprograms/clients"
)

const clusterAnnotation = "resource.karmada.io/cached-from-cluster"

type item struct {
	Key             string `json:"key"`
	UID             string `json:"uid"`
	ResourceVersion string `json:"resourceVersion"`
	Node            string `json:"node,omitempty"`
	Cluster         string `json:"cluster,omitempty"`
}

type event struct {
	Type string `json:"type"`
	item
}

type store struct {
	Type            string `json:"type"`
	ResourceVersion string `json:"resourceVersion"`
	Items           []item `json:"items"`
}

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file")
	resource := flag.String("resource", "pods", "pods, events (core/v1), events.events.k8s.io or configmaps")
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
	clientset, err := clients.New(kubeconfig, contentType, printRequest)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	informer, err := informerOf(informers.NewSharedInformerFactory(clientset, 0), resource)
	if err != nil {
		return err
	}
	if err := observe(informer); err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			clients.Print(map[string]any{"type": "SYNCED", "count": len(informer.GetStore().ListKeys())})
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

func informerOf(factory informers.SharedInformerFactory, resource string) (cache.SharedIndexInformer, error) {
	switch resource {
	case "pods":
		return factory.Core().V1().Pods().Informer(), nil
	case "events":
		return factory.Core().V1().Events().Informer(), nil
	case "events.events.k8s.io":
		return factory.Events().V1().Events().Informer(), nil
	case "configmaps":
		return factory.Core().V1().ConfigMaps().Informer(), nil
	}
	return nil, fmt.Errorf("resource must be pods, events, events.events.k8s.io or configmaps, not %q", resource)
}

func observe(informer cache.SharedIndexInformer) error {
	if err := informer.SetWatchErrorHandlerWithContext(
		func(ctx context.Context, reflector *cache.Reflector, err error) {
			clients.Print(map[string]any{"type": "WATCH_ERROR", "message": err.Error()})
			cache.DefaultWatchErrorHandler(ctx, reflector, err)
		}); err != nil {
		return err
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { printEvent("ADDED", object) },
		UpdateFunc: func(_, object any) { printEvent("MODIFIED", object) },
		DeleteFunc: func(object any) {
			// A deletion the watch has missed is known by its last state only.
			if unknown, missed := object.(cache.DeletedFinalStateUnknown); missed {
				object = unknown.Obj
			}
			printEvent("DELETED", object)
		},
	})
	return err
}

func printRequest(request *http.Request) {
	clients.Print(map[string]any{"type": "REQUEST", "method": request.Method, "uri": request.URL.RequestURI()})
}

func printEvent(eventType string, object any) {
	clients.Print(event{Type: eventType, item: itemOf(object)})
}

func printStore(informer cache.SharedIndexInformer) {
	objects := informer.GetStore().List()
	items := make([]item, 0, len(objects))
	for _, object := range objects {
		items = append(items, itemOf(object))
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Key < items[j].Key })
	clients.Print(store{Type: "STORE", ResourceVersion: informer.LastSyncResourceVersion(), Items: items})
}

func itemOf(object any) item {
	accessor, err := meta.Accessor(object)
	if err != nil {
		panic(err)
	}
	node := ""
	if pod, isPod := object.(*corev1.Pod); isPod {
		node = pod.Spec.NodeName
	}
	return item{
		Key:             cache.MetaObjectToName(accessor.(metav1.Object)).String(),
		UID:             string(accessor.GetUID()),
		ResourceVersion: accessor.GetResourceVersion(),
		Node:            node,
		Cluster:         accessor.GetAnnotations()[clusterAnnotation],
	}
}
