// Package clients builds the client-go clients of the test programs and prints their JSON lines.
package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Resources says which ones the programs know: some by a type of their own, and any other in full, untyped.
const Resources = "pods, events (core/v1), events.events.k8s.io, configmaps, replicasets.apps, or RESOURCE.VERSION.GROUP"

var contentTypes = map[string]rest.ContentConfig{
	"json": {ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeJSON},
	"protobuf": {
		ContentType: runtime.ContentTypeProtobuf,
		// The second type is for what has no protobuf form, as every typed client of Kubernetes sends it.
		AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
	},
}

// New returns a clientset for the current context of a kubeconfig file that speaks "json" or "protobuf".
// When onRequest is not nil it sees every request before it is sent.
func New(kubeconfig, contentType string, onRequest func(*http.Request)) (*kubernetes.Clientset, error) {
	config, err := Config(kubeconfig, contentType, onRequest)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

// Config returns what New makes its clientset of.
func Config(kubeconfig, contentType string, onRequest func(*http.Request)) (*rest.Config, error) {
	content, known := contentTypes[contentType]
	if !known {
		return nil, fmt.Errorf("content type must be json or protobuf, not %q", contentType)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.ContentType = content.ContentType
	config.AcceptContentTypes = content.AcceptContentTypes
	// The server's own limits are what is tested, not the client's.
	config.QPS, config.Burst = 500, 1000
	if onRequest != nil {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripperFunc(func(request *http.Request) (*http.Response, error) {
				onRequest(request)
				return next.RoundTrip(request)
			})
		})
	}
	return config, nil
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

var printing sync.Mutex

// Print writes one value as a line of JSON on standard output, whole even when called from many goroutines.
func Print(line any) {
	encoded, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	printing.Lock()
	defer printing.Unlock()
	_, _ = os.Stdout.Write(append(encoded, '\n'))
}
