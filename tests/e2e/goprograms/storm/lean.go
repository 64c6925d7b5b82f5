package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
)

// leanSource lists and watches whole Pods and decodes their metadata only.
//
// Everything else is client-go's: the reflector, its queue and its store. Decoding whole Pods takes more than ten times
// what sending them takes, so that hundreds of such clients would measure themselves, not the server.
type leanSource struct {
	url      string
	client   *http.Client
	informer *informer
}

type leanMetadata struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	UID             types.UID         `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Annotations     map[string]string `json:"annotations"`
}

func (l *leanSource) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	response, err := l.get(ctx, options)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return readList(response.Body)
}

// readList decodes a list of anything, and checks that it came whole.
func readList(body io.Reader) (*metav1.PartialObjectMetadataList, error) {
	var list struct {
		Metadata metav1.ListMeta `json:"metadata"`
		Items    []struct {
			Metadata leanMetadata `json:"metadata"`
		} `json:"items"`
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, err
	}
	decoded := &metav1.PartialObjectMetadataList{ListMeta: list.Metadata}
	for _, item := range list.Items {
		decoded.Items = append(decoded.Items, *item.Metadata.object())
	}
	return decoded, nil
}

func (l *leanSource) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	options.Watch = true
	response, err := l.get(ctx, options)
	if err != nil {
		return nil, err
	}
	decoder := &leanDecoder{response.Body, bufio.NewReaderSize(response.Body, 32<<10), l.informer}
	return watch.NewStreamWatcher(decoder, apierrors.NewClientErrorReporter(http.StatusInternalServerError, "GET", "WatchDecoding")), nil
}

func (l *leanSource) get(ctx context.Context, options metav1.ListOptions) (*http.Response, error) {
	query, err := scheme.ParameterCodec.EncodeParameters(&options, corev1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	return nil, refusal(response)
}

// refusal is what a response other than 200 says.
func refusal(response *http.Response) error {
	var status metav1.Status
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil || status.Kind != "Status" {
		return apierrors.NewGenericServerResponse(response.StatusCode, "GET", metav1.SchemeGroupVersion.WithResource("").GroupResource(), "", "no Status", 0, true)
	}
	return &apierrors.StatusError{ErrStatus: status}
}

// leanDecoder reads the lines of a watch.
type leanDecoder struct {
	body     io.Closer
	lines    *bufio.Reader
	informer *informer
}

var (
	typeKey     = []byte(`"type":"`)
	metadataKey = []byte(`"metadata":{`)
)

func (d *leanDecoder) Close() { _ = d.body.Close() }

func (d *leanDecoder) Decode() (watch.EventType, runtime.Object, error) {
	line, err := d.lines.ReadBytes('\n')
	if err != nil {
		return "", nil, err
	}
	_, rest, found := bytes.Cut(line, typeKey)
	name, _, closed := bytes.Cut(rest, []byte(`"`))
	if !found || !closed {
		return "", nil, errors.New("a line without a type")
	}
	event := watch.EventType(name)
	if event == watch.Error {
		var content struct {
			Object metav1.Status `json:"object"`
		}
		if err := json.Unmarshal(line, &content); err != nil {
			return "", nil, err
		}
		d.informer.inspect(watch.Event{Type: event, Object: &content.Object})
		return event, &content.Object, nil
	}
	at := bytes.Index(line, metadataKey)
	if at < 0 {
		return "", nil, errors.New("an event without metadata")
	}
	var metadata leanMetadata
	if err := json.NewDecoder(bytes.NewReader(line[at+len(metadataKey)-1:])).Decode(&metadata); err != nil {
		return "", nil, err
	}
	return event, metadata.object(), nil
}

func (m *leanMetadata) object() *metav1.PartialObjectMetadata {
	kept := metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion}
	for _, key := range []string{sentKey, metav1.InitialEventsAnnotationKey} {
		if value, has := m.Annotations[key]; has {
			metav1.SetMetaDataAnnotation(&kept, key, value)
		}
	}
	return &metav1.PartialObjectMetadata{ObjectMeta: kept}
}
