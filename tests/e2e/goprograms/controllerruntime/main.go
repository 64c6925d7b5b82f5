// Command controllerruntime runs the cache of controller-runtime for one resource, as operators use it, over all
// namespaces: with a type where client-go has one, else unstructured. It prints the lines of command informer: REQUEST,
// SYNCED, ADDED, MODIFIED, DELETED, WATCH_ERROR, and STORE, which a line "store" on standard input asks for. It ends with
// standard input.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"fleetgate.io/tests/e2e/goprograms/clients"
)

func main() {
	kubeconfig := flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig file")
	resource := flag.String("resource", "pods", clients.Resources)
	flag.Parse()
	if err := run(*kubeconfig, *resource); err != nil {
		fmt.Fprintln(os.Stderr, "controllerruntime:", err)
		os.Exit(1)
	}
}

func run(kubeconfig, resource string) error {
	// What an operator sends: it finds the resource of a type by discovery, and asks for protobuf.
	config, err := clients.Config(kubeconfig, "protobuf", clients.PrintRequest)
	if err != nil {
		return err
	}
	observed, err := kindOf(config, resource)
	if err != nil {
		return err
	}
	objects, err := cache.New(config, cache.Options{
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
	go func() { ended <- objects.Start(ctx) }()
	informer, err := objects.GetInformer(ctx, observed.object)
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(clients.EventPrinter); err != nil {
		return err
	}
	if !objects.WaitForCacheSync(ctx) {
		return errors.New("the cache was not synced")
	}
	listed, err := list(ctx, objects, observed)
	if err != nil {
		return err
	}
	clients.PrintSynced(len(listed))
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		if commands.Text() != "store" {
			continue
		}
		if listed, err = list(ctx, objects, observed); err != nil {
			return err
		}
		clients.PrintStore("", listed)
	}
	cancel()
	return <-ended
}

// kind is what a resource's objects and lists are read into.
type kind struct {
	object client.Object
	list   func() client.ObjectList
}

func kindOf(config *rest.Config, resource string) (*kind, error) {
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, err
	}
	full, short := schema.ParseResourceArg(resource)
	found, err := mapper.KindFor(short.WithVersion(""))
	if err != nil && full != nil {
		found, err = mapper.KindFor(*full)
	}
	if err != nil {
		return nil, err
	}
	lists := found.GroupVersion().WithKind(found.Kind + "List")
	if !scheme.Scheme.Recognizes(found) {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(found)
		return &kind{object, func() client.ObjectList {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(lists)
			return list
		}}, nil
	}
	object, err := scheme.Scheme.New(found)
	if err != nil {
		return nil, err
	}
	return &kind{object.(client.Object), func() client.ObjectList {
		list, err := scheme.Scheme.New(lists)
		if err != nil {
			panic(err)
		}
		return list.(client.ObjectList)
	}}, nil
}

func list(ctx context.Context, objects cache.Cache, observed *kind) ([]any, error) {
	held := observed.list()
	if err := objects.List(ctx, held); err != nil {
		return nil, err
	}
	items, err := meta.ExtractList(held)
	if err != nil {
		return nil, err
	}
	listed := make([]any, 0, len(items))
	for _, item := range items {
		listed = append(listed, item)
	}
	return listed, nil
}
