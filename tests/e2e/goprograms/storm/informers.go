package main

import (
	"context"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// sentKey is the annotation with the time of an object's last change, in nanoseconds.
const sentKey = "bench.fleetgate.io/sent"

// fleet is how many informers there are, of which kinds.
type fleet struct{ informers, json, protobuf, plainEvery int }

// informer is one shared informer, and what it saw since the last report.
type informer struct {
	shared    cache.SharedIndexInformer
	latencies *histogram // of all informers together
	counts    *tally     // of all together
	relists   tally      // its own
}

// listerWatcher lists and watches for one informer; a plain one makes its reflector do without WatchList.
type listerWatcher struct {
	cache.ListWatch
	plain bool
}

func (l *listerWatcher) IsWatchListSemanticsUnSupported() bool { return l.plain }

// start starts them all at once, as after the restart of a server.
func (f *fleet) start(ctx context.Context, server *endpoint) ([]*informer, error) {
	informers := make([]*informer, f.informers)
	latencies, counts := &histogram{}, &tally{}
	for number := range informers {
		each := &informer{latencies: latencies, counts: counts}
		plain := f.plainEvery > 0 && number%f.plainEvery == f.plainEvery-1
		source, example, err := f.source(number, server, each)
		if err != nil {
			return nil, err
		}
		source.plain = plain
		each.shared = cache.NewSharedIndexInformer(source, example, 0, cache.Indexers{})
		if err := each.observe(); err != nil {
			return nil, err
		}
		informers[number] = each
	}
	for _, each := range informers {
		go each.shared.RunWithContext(ctx)
	}
	return informers, nil
}

func (f *fleet) source(number int, server *endpoint, each *informer) (*listerWatcher, runtime.Object, error) {
	config := server.config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &counted{next, each} })
	if number >= f.json+f.protobuf {
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			return nil, nil, err
		}
		lean := &leanSource{server.url + "/api/v1/pods", client, each}
		return &listerWatcher{ListWatch: cache.ListWatch{
			ListWithContextFunc: lean.list, WatchFuncWithContext: lean.watch,
		}}, &metav1.PartialObjectMetadata{}, nil
	}
	if number >= f.json {
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	pods := client.CoreV1().Pods("")
	return &listerWatcher{ListWatch: cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return pods.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			events, err := pods.Watch(ctx, options)
			if err != nil {
				return nil, err
			}
			return watch.Filter(events, each.inspect), nil
		},
	}}, &corev1.Pod{}, nil
}

// inspect counts the errors that a server sends as events.
func (i *informer) inspect(event watch.Event) (watch.Event, bool) {
	if event.Type == watch.Error {
		i.counts.add("error event " + errorCode(apierrors.FromObject(event.Object)))
	}
	return event, true
}

func errorCode(err error) string {
	if status, is := err.(apierrors.APIStatus); is {
		return strconv.Itoa(int(status.Status().Code))
	}
	return "of transport"
}

func (i *informer) observe() error {
	if err := i.shared.SetTransform(keepWhatIsCompared); err != nil {
		return err
	}
	if err := i.shared.SetWatchErrorHandlerWithContext(
		func(_ context.Context, _ *cache.Reflector, err error) {
			i.counts.add("watch error: " + errorCode(err))
			message := err.Error()
			i.counts.add("says: " + message[:min(len(message), 150)])
		}); err != nil {
		return err
	}
	_, err := i.shared.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, initial bool) {
			i.counts.add("events")
			if !initial {
				i.arrived(object)
			}
		},
		UpdateFunc: func(before, after any) {
			i.counts.add("events")
			// After a relist what has not changed comes again.
			if version(before) != version(after) {
				i.arrived(after)
			}
		},
		DeleteFunc: func(any) { i.counts.add("events") },
	})
	return err
}

func version(object any) string { return object.(metav1.Object).GetResourceVersion() }

func (i *informer) arrived(object any) {
	sent, err := strconv.ParseInt(object.(metav1.Object).GetAnnotations()[sentKey], 10, 64)
	if err == nil {
		i.latencies.add(time.Duration(time.Now().UnixNano() - sent))
	}
}

// keepWhatIsCompared makes the stores of hundreds of informers fit on one machine.
func keepWhatIsCompared(object any) (any, error) {
	pod, is := object.(*corev1.Pod)
	if !is {
		return object, nil
	}
	kept := metav1.ObjectMeta{
		Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
		Annotations: map[string]string{sentKey: pod.Annotations[sentKey]},
	}
	return &corev1.Pod{ObjectMeta: kept}, nil
}

// contents is what its store holds, a line an object, as digest takes it.
func (i *informer) contents() []string {
	var lines []string
	for _, object := range i.shared.GetStore().List() {
		lines = append(lines, identity(object))
	}
	return lines
}

func identity(object any) string {
	accessor, err := meta.Accessor(object)
	if err != nil {
		panic(err)
	}
	return accessor.GetNamespace() + "/" + accessor.GetName() + " " + string(accessor.GetUID()) + " " +
		accessor.GetAnnotations()[sentKey]
}

// counted counts the requests of an informer and the refusals.
type counted struct {
	next     http.RoundTripper
	informer *informer
}

func (c *counted) RoundTrip(request *http.Request) (*http.Response, error) {
	query, kind := request.URL.Query(), "list"
	if query.Get("sendInitialEvents") == "true" {
		kind = "watchlist"
	} else if query.Get("watch") != "" {
		kind = "watch"
	}
	c.informer.counts.add(kind)
	if kind != "watch" {
		c.informer.relists.add(kind)
	}
	response, err := c.next.RoundTrip(request)
	if err != nil {
		c.informer.counts.add(kind + " failed")
	} else if response.StatusCode >= 400 {
		c.informer.counts.add(kind + " answered " + strconv.Itoa(response.StatusCode))
	}
	return response, err
}

// collect is what all informers saw since it was last called.
func collect(informers []*informer) map[string]any {
	relisted := 0
	for _, each := range informers {
		if len(each.relists.take()) > 0 {
			relisted++
		}
	}
	if len(informers) == 0 {
		return map[string]any{}
	}
	first := informers[0]
	return map[string]any{"latency": first.latencies.take(), "counts": first.counts.take(), "relisted": relisted}
}
