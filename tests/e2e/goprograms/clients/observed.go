package clients

import (
	"net/http"
	"sort"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
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
	ResourceVersion string `json:"resourceVersion,omitempty"`
	Items           []item `json:"items"`
}

// EventPrinter prints every event of an informer as a line ADDED, MODIFIED or DELETED.
var EventPrinter = cache.ResourceEventHandlerFuncs{
	AddFunc:    func(object any) { printEvent("ADDED", object) },
	UpdateFunc: func(_, object any) { printEvent("MODIFIED", object) },
	DeleteFunc: func(object any) {
		// A deletion the watch has missed is known by its last state only.
		if unknown, missed := object.(cache.DeletedFinalStateUnknown); missed {
			object = unknown.Obj
		}
		printEvent("DELETED", object)
	},
}

// PrintRequest prints a request as a line REQUEST.
func PrintRequest(request *http.Request) {
	Print(map[string]any{"type": "REQUEST", "method": request.Method, "uri": request.URL.RequestURI()})
}

// PrintWatchError prints the error of a list or watch as a line WATCH_ERROR.
func PrintWatchError(err error) {
	Print(map[string]any{"type": "WATCH_ERROR", "message": err.Error()})
}

// PrintSynced prints that the first state is there, and how many objects it has, as a line SYNCED.
func PrintSynced(count int) {
	Print(map[string]any{"type": "SYNCED", "count": count})
}

// PrintStore prints all objects, sorted by key, as a line STORE; resourceVersion is up to where the store was synced.
func PrintStore(resourceVersion string, objects []any) {
	items := make([]item, 0, len(objects))
	for _, object := range objects {
		items = append(items, itemOf(object))
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Key < items[j].Key })
	Print(store{Type: "STORE", ResourceVersion: resourceVersion, Items: items})
}

func printEvent(eventType string, object any) {
	Print(event{Type: eventType, item: itemOf(object)})
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
