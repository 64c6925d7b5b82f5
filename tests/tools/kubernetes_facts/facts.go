package main

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// scalarCodes are the letters the table uses for Go's scalar kinds.
var scalarCodes = map[reflect.Kind]string{
	reflect.String:  "s",
	reflect.Bool:    "b",
	reflect.Int32:   "i",
	reflect.Int64:   "l",
	reflect.Float64: "d",
}

// specialCodes are the letters of types whose JSON form is not that of their message.
var specialCodes = map[string]string{
	"api/resource.Quantity":      "Q",
	"meta/v1.Time":               "T",
	"meta/v1.MicroTime":          "M",
	"meta/v1.FieldsV1":           "F",
	"runtime.RawExtension":       "R",
	"util/intstr.IntOrString":    "I",
	"apiextensions/v1.JSON":      "J",
	"apiextensions/v1beta1.JSON": "J",
}

// Facts is what the table is made of.
type Facts struct {
	// Source names the module version the facts come from.
	Source string `json:"source"`
	// Messages maps a message to its fields, each "number jsonName code [goType]"; a leading "K" says that the
	// JSON form carries kind and apiVersion, "[s" alone that the message stands for a list of strings.
	Messages map[string][]string `json:"messages"`
	// Kinds maps an apiVersion to its kinds and their messages.
	Kinds map[string]map[string]string `json:"kinds"`
}

type collector struct {
	messages map[string][]string
}

// messageName shortens a type's import path: core/v1.Pod, meta/v1.ObjectMeta.
func messageName(t reflect.Type) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(t.PkgPath(), "k8s.io/"), "/")
	path = strings.TrimPrefix(strings.TrimPrefix(path, "pkg/"), "apis/")
	return path + "." + t.Name()
}

func isMessage(t reflect.Type) bool {
	_, found := reflect.PointerTo(t).MethodByName("MarshalToSizedBuffer")
	return found
}

// code returns the type code of a Go type, and the Go type name that can be told from the code alone.
func (c *collector) code(t reflect.Type) (code, told string) {
	if special, found := specialCodes[messageName(t)]; found {
		return special, t.String()
	}
	if isMessage(t) {
		c.message(t)
		return "@" + messageName(t), t.String()
	}
	switch {
	case t.Kind() == reflect.Pointer:
		code, told = c.code(t.Elem())
		return "*" + code, told
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "y", "[]uint8"
	case t.Kind() == reflect.Slice:
		code, told = c.code(t.Elem())
		return "[" + code, "[]" + told
	case t.Kind() == reflect.Map:
		code, told = c.code(t.Elem())
		return "{" + code, "map[string]" + told
	}
	scalar, found := scalarCodes[t.Kind()]
	if !found {
		panic(fmt.Sprintf("no code for %v", t))
	}
	return scalar, t.Kind().String()
}

func (c *collector) message(t reflect.Type) {
	name := messageName(t)
	if _, seen := c.messages[name]; seen {
		return
	}
	if t.Kind() == reflect.Slice { // ExtraValue, Verbs: `repeated string items = 1`
		c.messages[name] = []string{"[" + scalarCodes[t.Elem().Kind()]}
		return
	}
	c.messages[name] = nil // marks it as seen: types refer to themselves
	lines := []string{}
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Type == reflect.TypeFor[metav1.TypeMeta]() || field.Type == reflect.TypeFor[runtime.TypeMeta]() {
			lines = append(lines, "K")
			continue
		}
		if line := c.field(field); line != "" {
			lines = append(lines, line)
		}
	}
	c.messages[name] = lines
}

// field writes one field as "number jsonName code goType". The code starts with "?" where a zero value is left out of
// the JSON form; the name is "." where the fields of the message are JSON fields of its parent.
func (c *collector) field(field reflect.StructField) string {
	tag := strings.Split(field.Tag.Get("protobuf"), ",")
	if len(tag) < 2 {
		if field.Tag.Get("json") != "-" {
			panic(fmt.Sprintf("%s is in the JSON form but not in the message", field.Name))
		}
		return ""
	}
	code, told := c.code(field.Type)
	jsonTag := strings.Split(field.Tag.Get("json"), ",")
	name := jsonTag[0]
	for _, option := range jsonTag[1:] {
		switch {
		case option == "inline":
			name = "."
		case option == "omitzero", option == "omitempty" && field.Type.Kind() != reflect.Struct:
			code = "?" + strings.TrimPrefix(code, "?")
		}
	}
	if name == "" { // unions with a JSON form of their own
		name = strings.ToLower(field.Name)
	}
	line := fmt.Sprintf("%s %s %s", tag[1], name, code)
	if goType := strings.TrimPrefix(field.Type.String(), "*"); goType != told {
		line += " " + goType
	}
	return line
}

func moduleVersion() string {
	if info, found := debug.ReadBuildInfo(); found {
		for _, module := range info.Deps {
			if module.Path == "k8s.io/api" {
				return module.Path + "@" + module.Version
			}
		}
	}
	panic("built without k8s.io/api")
}

func collect(scheme *runtime.Scheme) Facts {
	c := &collector{map[string][]string{}}
	kinds := map[string]map[string]string{}
	for gvk, t := range scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal || !isMessage(t) {
			continue
		}
		apiVersion := gvk.GroupVersion().String()
		if kinds[apiVersion] == nil {
			kinds[apiVersion] = map[string]string{}
		}
		kinds[apiVersion][gvk.Kind] = messageName(t)
		c.message(t)
	}
	return Facts{moduleVersion(), c.messages, kinds}
}
