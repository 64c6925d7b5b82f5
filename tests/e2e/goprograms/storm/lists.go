package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

const (
	pageSize    = 500
	tableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
	headSize    = 4096 // of an answer: there are the metadata of a list
	// Of all lists of a check together; a server that is not asked for anything else.
	checkTimeout = time.Minute
)

// question is one kind of list.
type question struct{ kind, path, query, accept string }

func (s *storm) questions() []question {
	label := url.Values{"labelSelector": {s.label}}.Encode()
	return []question{
		{"json", "/api/v1/pods", "", "application/json"},
		{"table", "/api/v1/pods", "", tableAccept},
		{"namespace", "/api/v1/namespaces/" + s.namespace + "/pods", "", "application/json"},
		{"label", "/api/v1/pods", label, "application/json"},
		{"pages", "/api/v1/pods", fmt.Sprintf("limit=%d", pageSize), "application/json"},
	}
}

var continueToken = regexp.MustCompile(`"continue":"([^"]*)"`)

// read reads a list to its end, all pages of it; keep is given the content of each.
func (q *question) read(ctx context.Context, client *http.Client, server string, keep func(io.Reader) error) (int64, error) {
	var size int64
	query := q.query
	for {
		token, count, err := q.page(ctx, client, server+q.path+"?"+query, keep)
		size += count
		if err != nil || token == "" {
			return size, err
		}
		query = q.query + "&continue=" + url.QueryEscape(token)
	}
}

func (q *question) page(ctx context.Context, client *http.Client, address string, keep func(io.Reader) error) (string, int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Accept", q.accept)
	response, err := client.Do(request)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", 0, refusal(response)
	}
	head := make([]byte, headSize)
	count, err := io.ReadFull(response.Body, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return "", int64(count), err
	}
	head = head[:count]
	// The metadata of the list come before its items, and only those of an item have a name.
	metadata, _, _ := bytes.Cut(head, []byte(`"items":[`))
	metadata, _, _ = bytes.Cut(metadata, []byte(`"rows":[`))
	token := ""
	if found := continueToken.FindSubmatch(metadata); found != nil {
		if err := json.Unmarshal([]byte(`"`+string(found[1])+`"`), &token); err != nil {
			return "", 0, err
		}
	}
	end := &tail{}
	whole := io.TeeReader(io.MultiReader(bytes.NewReader(head), response.Body), end)
	if err := keep(whole); err != nil {
		return "", end.size, err
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return "", end.size, err
	}
	if !bytes.HasSuffix(bytes.TrimSpace(end.last), []byte("]}")) {
		return "", end.size, fmt.Errorf("a list that ends with %q", end.last)
	}
	return token, end.size, nil
}

// tail remembers the end of what is written to it.
type tail struct {
	size int64
	last []byte
}

func (t *tail) Write(content []byte) (int, error) {
	t.size += int64(len(content))
	t.last = append(t.last, content[max(0, len(content)-16):]...)
	t.last = t.last[max(0, len(t.last)-16):]
	return len(content), nil
}

func discard(content io.Reader) error {
	_, err := io.Copy(io.Discard, content)
	return err
}

// check reads a list of each kind and its digest; protobuf as well, and what a typed client decodes.
func (s *storm) check(ctx context.Context) map[string]string {
	digests := map[string]string{}
	client, err := s.server.client()
	if err != nil {
		return map[string]string{"client": err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, question := range s.questions() {
		var objects []any
		_, err := question.read(ctx, client, s.server.url, func(content io.Reader) error {
			items, err := itemsOf(question.kind, content)
			objects = append(objects, items...)
			return err
		})
		digests[question.kind] = digest(objects)
		if err != nil {
			digests[question.kind] = err.Error()
		}
	}
	for kind, contentType := range map[string]string{"typed": runtime.ContentTypeJSON, "protobuf": runtime.ContentTypeProtobuf} {
		digests[kind] = s.typed(ctx, contentType)
	}
	return digests
}

func itemsOf(kind string, content io.Reader) ([]any, error) {
	var objects []any
	if kind == "table" {
		var table struct {
			Rows []struct {
				Object struct {
					Metadata leanMetadata `json:"metadata"`
				} `json:"object"`
			} `json:"rows"`
		}
		if err := json.NewDecoder(content).Decode(&table); err != nil {
			return nil, err
		}
		for _, row := range table.Rows {
			objects = append(objects, row.Object.Metadata.object())
		}
		return objects, nil
	}
	list, err := readList(content)
	if err != nil {
		return nil, err
	}
	for number := range list.Items {
		objects = append(objects, &list.Items[number])
	}
	return objects, nil
}

func (s *storm) typed(ctx context.Context, contentType string) string {
	config := s.server.config()
	config.ContentType, config.AcceptContentTypes = contentType, contentType
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err.Error()
	}
	var list *corev1.PodList
	if list, err = client.CoreV1().Pods("").List(ctx, metav1.ListOptions{}); err != nil {
		return err.Error()
	}
	objects := []any{}
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		objects = append(objects, item)
		return nil
	})
	return digest(objects)
}

// digest is of names, uids and last values, in whatever order, and begins with how many there are.
func digest(objects []any) string {
	var sum uint64
	for _, object := range objects {
		hash := sha256.Sum256([]byte(identity(object)))
		sum += binary.BigEndian.Uint64(hash[:8])
	}
	return fmt.Sprintf("%d-%016x", len(objects), sum)
}
