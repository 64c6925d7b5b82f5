package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"sort"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Golden is one object in both forms, as Kubernetes' own serializers write them.
type Golden struct {
	Case     string          `json:"case"`
	Protobuf []byte          `json:"protobuf"`
	JSON     json.RawMessage `json:"json"`
	// Frame is the object in a protobuf watch event, without the length before it.
	Frame []byte `json:"frame,omitempty"`
}

func golden(scheme *runtime.Scheme, name string, object runtime.Object) Golden {
	var wire, text bytes.Buffer
	serializer := protobuf.NewSerializer(scheme, scheme)
	must(serializer.Encode(object, &wire))
	// The JSON form is taken after a round trip: that is what a server knows of a protobuf body.
	decoded, _, err := serializer.Decode(wire.Bytes(), nil, nil)
	must(err)
	writer := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{})
	must(writer.Encode(decoded, &text))
	return Golden{Case: name, Protobuf: wire.Bytes(), JSON: text.Bytes()}
}

func encodeAll(scheme *runtime.Scheme, objects []json.RawMessage) []Golden {
	goldens := []Golden{}
	reader := kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{})
	for _, data := range objects {
		object, gvk, err := reader.Decode(data, nil, nil)
		must(err)
		entry := golden(scheme, gvk.GroupVersion().String()+" "+gvk.Kind, object)
		event := metav1.WatchEvent{Type: "MODIFIED", Object: runtime.RawExtension{Raw: entry.Protobuf}}
		entry.Frame = must2(event.Marshal())
		goldens = append(goldens, entry)
	}
	return goldens
}

// fillAll returns three goldens a kind: full (everything set), hollow (everything present, all values zero), empty.
func fillAll(scheme *runtime.Scheme) []Golden {
	var gvks []schema.GroupVersionKind
	for gvk, t := range scheme.AllKnownTypes() {
		if gvk.Version != runtime.APIVersionInternal && isMessage(t) {
			gvks = append(gvks, gvk)
		}
	}
	sort.Slice(gvks, func(i, j int) bool { return gvks[i].String() < gvks[j].String() })
	goldens := []Golden{}
	for _, gvk := range gvks {
		if t := scheme.AllKnownTypes()[gvk]; t.PkgPath() == "k8s.io/apimachinery/pkg/apis/meta/v1" && gvk.Group != "" && gvk.Group != "meta.k8s.io" {
			continue // the options that every group has
		}
		for _, mode := range []string{"full", "hollow", "empty"} {
			object := must2(scheme.New(gvk))
			if mode != "empty" {
				filler{mode == "full", map[reflect.Type]bool{}}.fill(reflect.ValueOf(object).Elem())
			}
			object.GetObjectKind().SetGroupVersionKind(gvk)
			if object.GetObjectKind().GroupVersionKind().Empty() {
				continue // WatchEvent never travels in an envelope
			}
			goldens = append(goldens, golden(scheme, gvk.GroupVersion().String()+" "+gvk.Kind+" "+mode, object))
		}
	}
	return goldens
}

type filler struct {
	full bool
	// inside holds the structs being filled: a type within itself (a JSON schema) stays empty.
	inside map[reflect.Type]bool
}

// special returns a value for the types that are not to be filled field by field.
func (f filler) special(t reflect.Type) (any, bool) {
	when := time.Date(2026, 7, 14, 11, 30, 5, 123456000, time.UTC)
	raw := []byte(`{"a":[1,"two",null]}`)
	switch t {
	case reflect.TypeFor[resource.Quantity]():
		return resource.MustParse("1500m"), f.full
	case reflect.TypeFor[metav1.Time]():
		return metav1.NewTime(when), f.full
	case reflect.TypeFor[metav1.MicroTime]():
		return metav1.NewMicroTime(when), f.full
	case reflect.TypeFor[intstr.IntOrString]():
		return intstr.FromString("25%"), f.full
	case reflect.TypeFor[metav1.FieldsV1]():
		return metav1.FieldsV1{Raw: []byte(`{"f:spec":{}}`)}, true
	case reflect.TypeFor[runtime.RawExtension]():
		return runtime.RawExtension{Raw: raw}, true
	case reflect.TypeFor[apiextensionsv1.JSON]():
		return apiextensionsv1.JSON{Raw: raw}, true
	case reflect.TypeFor[apiextensionsv1beta1.JSON]():
		return apiextensionsv1beta1.JSON{Raw: raw}, true
	case reflect.TypeFor[metav1.TypeMeta]():
		return metav1.TypeMeta{}, true
	}
	return nil, false
}

func (f filler) fill(value reflect.Value) {
	if set, found := f.special(value.Type()); found {
		value.Set(reflect.ValueOf(set))
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		if _, special := specialCodes[messageName(value.Type())]; special || f.inside[value.Type()] {
			return
		}
		f.inside[value.Type()] = true
		for i := range value.NumField() {
			f.fill(value.Field(i))
			if name := value.Type().Name(); name == "JSONSchemaPropsOrArray" || name == "JSONSchemaPropsOrStringArray" {
				break // either the one or the other
			}
		}
		delete(f.inside, value.Type())
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		f.fill(value.Elem())
	case reflect.Slice:
		f.fillSlice(value)
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
		for _, name := range []string{"b.example/key", "a"} {
			item := reflect.New(value.Type().Elem()).Elem()
			f.fill(item)
			value.SetMapIndex(reflect.ValueOf(name).Convert(value.Type().Key()), item)
		}
	default:
		if f.full {
			fillScalar(value)
		}
	}
}

func (f filler) fillSlice(value reflect.Value) {
	if value.Type().Elem().Kind() == reflect.Uint8 {
		value.SetBytes([]byte{})
		if f.full {
			value.SetBytes([]byte{0, 'k', 0xff})
		}
		return
	}
	value.Set(reflect.MakeSlice(value.Type(), 1, 1))
	f.fill(value.Index(0))
	if value.Type().Elem().Kind() == reflect.String && f.full { // lists of scalars show that order is kept
		value.Set(reflect.Append(value, reflect.ValueOf("second").Convert(value.Type().Elem())))
	}
}

func fillScalar(value reflect.Value) {
	switch value.Kind() {
	case reflect.String:
		value.SetString("text ü")
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int32:
		value.SetInt(-7)
	case reflect.Int64:
		value.SetInt(5_000_000_000)
	case reflect.Float64:
		value.SetFloat(2.5)
	}
}
