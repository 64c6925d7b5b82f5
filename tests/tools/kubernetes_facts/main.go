// Command kubernetes_facts asks the Kubernetes API types for facts that the gateway's codecs are built on and tested with.
//
//	kubernetes_facts facts              the table of messages and kinds
//	kubernetes_facts fill               objects of every kind, filled by reflection, as protobuf and JSON
//	kubernetes_facts encode  <objects   the given JSON objects (a list) as protobuf and JSON
//	kubernetes_facts strict  <bodies    what strict decoding says of the given bodies (a list of strings)
//	kubernetes_facts yaml    <texts     what the given YAML texts (a list of strings) are as JSON
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		usage()
	}
	scheme := newScheme()
	var answer any
	switch os.Args[1] {
	case "facts":
		answer = collect(scheme)
	case "fill":
		answer = fillAll(scheme)
	case "encode":
		answer = encodeAll(scheme, read[[]json.RawMessage]())
	case "strict":
		answer = strictAll(scheme, read[[]string]())
	case "yaml":
		answer = yamlAll(read[[]string]())
	default:
		usage()
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(answer))
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: kubernetes_facts facts|fill|encode|strict|yaml")
	os.Exit(2)
}

func read[T any]() T {
	var value T
	must(json.NewDecoder(os.Stdin).Decode(&value))
	return value
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func must2[T any](value T, err error) T {
	must(err)
	return value
}
